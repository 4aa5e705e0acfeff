"""Vultr: cloud plans, bare metal, and what is free where. Wire format: vultr/govultr."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, refusing, rows_under
from infra.local.providers.world import Shape

SLUG = "vultr"

_REGIONS = ("ewr", "ord", "lax", "ams", "fra", "lhr", "sgp", "nrt", "blr", "syd")


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


def _plan(shape: Shape, places: list[str]) -> dict[str, Any]:
    hourly = float(shape.hourly())
    common = {
        "id": shape.details["name"],
        "ram": int(shape.ram_gb * 1024),
        "disk": int(shape.disk_gb),
        "disk_count": 1,
        "bandwidth": 10_240,
        "monthly_cost": round(hourly * 730, 2),
        "hourly_cost": hourly,
        "locations": places,
    }
    if shape.details["name"].startswith("vbm-"):
        return common | {"type": "SSD", "cpu_count": int(shape.vcpus) // 2, "cpu_threads": int(shape.vcpus)}
    return common | {
        "type": "vcg",
        "vcpu_count": int(shape.vcpus),
        "gpu_vram_gb": shape.vram_gb * shape.gpus,
        "gpu_type": f"NVIDIA_{shape.gpu}",
    }


def _plans(call: Call, name: str, prefix: str) -> Response:
    shapes: dict[str, Shape] = {}
    places: dict[str, list[str]] = {}
    for shape in call.world.shapes[SLUG].values():
        if shape.details["name"].startswith(prefix):
            shapes[shape.group] = shape
            places.setdefault(shape.group, []).append(shape.region)
    rows = [_plan(shape, places[name]) for name, shape in shapes.items()]
    asked = call.request.query_params
    size, begin = int(asked.get("per_page", 100)), int(asked.get("cursor") or 0)
    following = str(begin + size) if begin + size < len(rows) else ""
    meta = {"total": len(rows), "links": {"next": following, "prev": ""}}
    return answer({name: rows[begin : begin + size], "meta": meta})


async def _cloud(call: Call) -> Response:
    return _plans(call, "plans", "vcg-")


async def _metal(call: Call) -> Response:
    return _plans(call, "plans_metal", "vbm-")


async def _availability(call: Call) -> Response:
    region = call.request.path_params["region"]
    free = [one.details["name"] for one in call.world.shapes[SLUG].values() if one.region == region and one.stock > 0]
    return answer({"available_plans": free})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v2/plans", "list", _cloud, needs_key=False),
        Operation("GET", "/v2/plans-metal", "list", _metal, needs_key=False),
        Operation("GET", "/v2/regions/{region}/availability", "list", _availability, needs_key=False),
    ),
    refuse=refusing(lambda status, message: {"error": message, "status": status}),
    rows_of=rows_under("plans", "plans_metal"),
    account=bearer_account(SLUG),
)
