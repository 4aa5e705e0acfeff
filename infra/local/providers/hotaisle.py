"""Hot Aisle: slices of MI300X servers. Wire format: dstackai/dstack, recorded answers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers.keys import account_of
from infra.local.providers.service import Call, Operation, Service, answer, bare_list, refusing
from infra.local.providers.world import Shape, chance, on_demand_of

SLUG = "hotaisle"

_GIB = 1024**3
_CPUS = (("Xeon Platinum 8470", 13), ("Xeon Platinum 8462Y+", 8), ("EPYC 9454", 12), ("EPYC 9354", 16))
_TEAM = "local-team"


def stock() -> list[Shape]:
    [price] = on_demand_of(SLUG)
    return [
        Shape(
            key=f"{gpus}x {price.gpu} {cores * gpus}x {cpu} {disk}",
            gpu=price.gpu,
            gpus=gpus,
            vram_gb=price.vram_gb,
            usd=price.usd_per_gpu_hour,
            region="us-michigan-1",
            stock=int(5 * chance(SLUG, cpu, gpus, disk)),
            group=cpu,
            vcpus=cores * gpus,
            ram_gb=224 * gpus,
            disk_gb=disk,
            details={"cpu": cpu},
        )
        for cpu, cores in _CPUS
        for gpus in (1, 2, 4)
        for disk in (12288, 6144)
    ]


def specs_of(shape: Shape) -> dict[str, Any]:
    cores = int(shape.vcpus)
    return {
        "cpu_cores": cores,
        "ram_capacity": int(shape.ram_gb) * _GIB,
        "disk_capacity": int(shape.disk_gb) * _GIB,
        "cpus": {"count": 1, "manufacturer": "Intel", "model": shape.details["cpu"], "cores": cores},
        "gpus": [{"count": shape.gpus, "manufacturer": "AMD", "model": shape.gpu}],
    }


async def _list(call: Call) -> Response:
    if call.request.path_params["team"] != _TEAM:
        return _refuse(403)
    return answer(
        [
            {
                "Quantity": shape.stock,
                "OnDemandPrice": int(shape.hourly() * 100),
                "MinimumReservationMinutes": 1 if shape.gpus == 1 else 60,
                "Specs": specs_of(shape),
            }
            for shape in call.world.shapes[SLUG].values()
        ]
    )


def _account(request: Request) -> str | None:
    """`Authorization: Token <key>`."""
    header = request.headers.get("authorization", "")
    return account_of(SLUG, header.removeprefix("Token ")) if header else ""


_refuse = refusing(lambda _, message: {"error": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/api/teams/{team}/virtual_machines/available/", "list", _list),),
    refuse=_refuse,
    rows_of=bare_list,
    account=_account,
)
