"""Seeweb: plans, and what can be had where. Wire format: dstackai/gpuhunt and dstackai/dstack clients."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import priced_in, stocked
from infra.local.providers.service import Call, Operation, Service, answer, header_account, in_list, refusing
from infra.local.providers.world import Shape

SLUG = "seeweb"

_REGIONS = ("it-fr2", "it-mi2")


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


async def _plans(call: Call) -> Response:
    rows: dict[str, dict[str, Any]] = {}
    for index, shape in enumerate(call.world.shapes[SLUG].values()):
        row = rows.setdefault(
            shape.group,
            {
                "id": index,
                "name": shape.details["name"],
                "cpu": str(int(shape.vcpus)),
                "ram": str(int(shape.ram_gb * 1024)),
                "disk": str(int(shape.disk_gb)),
                "gpu": str(shape.gpus),
                "gpu_label": f"{shape.gpu} {shape.vram_gb}GB",
                "hourly_price": float(priced_in("EUR", shape.hourly())),
                "host_type": "ECS",
                "available": True,
                "available_regions": [],
            },
        )
        row["available_regions"].append({"location": shape.region})
    small = {"id": 9_999, "name": "eCS1", "cpu": "1", "ram": "1024", "disk": "20", "gpu": "0", "gpu_label": None,
             "hourly_price": 0.01, "available": True, "available_regions": [{"location": "it-fr2"}]}  # fmt: skip
    return answer({"status": "ok", "plans": [*rows.values(), small]})


async def _availables(call: Call) -> Response:
    rows: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        image = {"name": "ubuntu-2204", "active_flag": True}
        row = rows.setdefault(shape.group, {"name": shape.group, "region_availables": [], "os_availables": [image]})
        row["region_availables"] += [{"region": shape.region}] if shape.stock > 0 else []
    return answer({"status": "ok", "plans": list(rows.values())})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/ecs/v2/plans", "list", _plans),
        Operation("GET", "/ecs/v2/plans/availables", "list", _availables),
    ),
    refuse=refusing(lambda status, message: {"status": "error", "message": message}),
    rows_of=in_list("plans"),
    account=header_account(SLUG, "x-apitoken"),
)
