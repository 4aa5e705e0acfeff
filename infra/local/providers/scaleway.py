"""Scaleway: server types by zone, in EUR. Wire format: recorded answers in scaleway/scaleway-cli."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import priced_in, stocked
from infra.local.providers.service import Call, Operation, Service, answer, cut, header_account, in_list, refusing
from infra.local.providers.world import Shape

SLUG = "scaleway"

_ZONES = ("fr-par-2", "fr-par-1", "nl-ams-1", "pl-waw-2", "pl-waw-3")
_GIB = 1024**3
_PATH = "/instance/v1/zones/{zone}/products/servers"


def stock() -> list[Shape]:
    return stocked(SLUG, _ZONES)


def _product(shape: Shape) -> dict[str, Any]:
    hourly = float(priced_in("EUR", shape.hourly()))
    name = f"{shape.gpu.replace(' ', '-')}{f'-{shape.form}' if shape.form == 'PCIe' else ''}"
    return {
        "alt_names": [],
        "arch": "x86_64",
        "ncpus": int(shape.vcpus),
        "ram": int(shape.ram_gb * _GIB),
        "gpu": shape.gpus,
        "gpu_info": {
            "gpu_manufacturer": "NVIDIA",
            "gpu_name": f"{shape.gpu}-SXM" if (shape.form or "").startswith("SXM") else name,
            "gpu_memory": shape.vram_gb * _GIB,
        },
        "hourly_price": hourly,
        "monthly_price": round(hourly * 730, 2),
        "end_of_service": False,
    }


def _word(shape: Shape) -> str:
    return "shortage" if shape.stock <= 0 else "scarce" if shape.stock < 2 else "available"


def _here(call: Call) -> list[Shape]:
    zone = call.request.path_params["zone"]
    return [shape for shape in call.world.shapes[SLUG].values() if shape.region == zone]


async def _products(call: Call) -> Response:
    rows, _, _ = cut(_here(call), call, size="per_page", default=50, most=100)
    servers: dict[str, Any] = {shape.details["name"]: _product(shape) for shape in rows}
    if servers:
        servers["DEV1-S"] = {"arch": "x86_64", "ncpus": 2, "ram": 2 * _GIB, "gpu": 0, "gpu_info": None,
                             "hourly_price": 0.0088, "monthly_price": 6.42, "end_of_service": False}  # fmt: skip
    return answer({"servers": servers})


async def _availability(call: Call) -> Response:
    rows, _, _ = cut(_here(call), call, size="per_page", default=50, most=100)
    return answer({"servers": {shape.details["name"]: {"availability": _word(shape)} for shape in rows}})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", _PATH, "list", _products),
        Operation("GET", f"{_PATH}/availability", "list", _availability),
    ),
    refuse=refusing(lambda status, message: {"type": "denied_authentication", "message": message}),
    rows_of=in_list("servers"),
    account=header_account(SLUG, "x-auth-token"),
)
