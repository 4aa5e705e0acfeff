"""CloudRift: instance types. Wire format: dstackai/gpuhunt and dstackai/dstack clients."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, header_account, refusing
from infra.local.providers.world import Shape

SLUG = "cloudrift"

_CENTRES = ("us-east-nc-nr-1", "us-west-ca-kn-1", "us-central-tx-nr-2")
_GIB = 1024**3


def stock() -> list[Shape]:
    return stocked(SLUG, _CENTRES, sold=1)


async def _types(call: Call) -> Response:
    kinds: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        variants = kinds.setdefault(shape.gpu, {})
        variant = variants.setdefault(
            shape.details["name"],
            {
                "name": shape.details["name"],
                "cost_per_hour": float(shape.hourly() * 100),
                "cpu_count": int(shape.vcpus),
                "logical_cpu_count": int(shape.vcpus) * 2,
                "dram": int(shape.ram_gb * _GIB),
                "vram": shape.vram_gb * shape.gpus * _GIB,
                "disk": int(shape.disk_gb * _GIB),
                "gpu_count": shape.gpus,
                "nodes_per_dc": {},
            },
        )
        variant["nodes_per_dc"][shape.region] = shape.stock
    rows = [{"brand_short": gpu, "variants": list(variants.values())} for gpu, variants in kinds.items()]
    return answer({"version": "2025-05-29", "data": {"instance_types": rows}})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("POST", "/api/v1/instance-types/list", "list", _types, needs_key=False),),
    refuse=refusing(lambda status, message: {"error": message}),
    rows_of=lambda told: [told["data"]["instance_types"]] if isinstance(told.get("data"), dict) else [],
    account=header_account(SLUG, "x-api-key"),
)
