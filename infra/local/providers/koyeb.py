"""Koyeb: the catalogue of instances and its usage. Wire format: koyeb/koyeb-api-client-go."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, in_list, refusing
from infra.local.providers.world import Shape

SLUG = "koyeb"

_REGIONS = ("fra", "was", "par", "sin")


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


async def _instances(call: Call) -> Response:
    rows: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        hourly = shape.hourly()
        row = rows.setdefault(
            shape.group,
            {
                "id": shape.details["name"],
                "display_name": f"{shape.gpus}x {shape.gpu}",
                "vcpu_shares": float(shape.vcpus),
                "memory": f"{int(shape.ram_gb)}GB",
                "disk": f"{int(shape.disk_gb)}GB",
                "price_per_second": f"{hourly / 3600:.6f}",
                "price_hourly": f"{hourly:f}",
                "price_monthly": f"{hourly * 744:f}",
                "regions": [],
                "status": "available",
                "type": "gpu",
                "gpu": {
                    "count": str(shape.gpus),
                    "brand": "nvidia",
                    "memory": f"{shape.vram_gb}GB",
                    "name": f"NVIDIA {shape.gpu}",
                },
            },
        )
        row["regions"].append(shape.region)
    small = {"id": "nano", "display_name": "Nano", "vcpu_shares": 0.25, "memory": "256MB", "disk": "2.5GB",
             "type": "eco",
             "price_hourly": "0.0036", "regions": ["fra"], "status": "available", "gpu": None}  # fmt: skip
    found = [*rows.values(), small]
    asked = call.request.query_params
    limit, offset = min(100, int(asked.get("limit", 10))), int(asked.get("offset", 0))
    page = found[offset : offset + limit]
    return answer({"instances": page, "limit": limit, "offset": offset, "count": len(found)})


async def _usage(call: Call) -> Response:
    regions: dict[str, Any] = {region: {"instances": {}} for region in _REGIONS}
    for shape in call.world.shapes[SLUG].values():
        word = "UNKNOWN" if shape.stock <= 0 else "LOW" if shape.stock < 2 else "MEDIUM" if shape.stock < 4 else "HIGH"
        regions[shape.region]["instances"][shape.details["name"]] = {"availability": word}
    return answer({"usage": {"regions": regions}})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v1/catalog/instances", "list", _instances, needs_key=False),
        Operation("GET", "/v1/catalog/usage", "list", _usage, needs_key=False),
    ),
    refuse=refusing(lambda status, message: {"status": status, "code": "error", "message": message}),
    rows_of=in_list("instances"),
    account=bearer_account(SLUG),
)
