"""Mithril: instance types and what their last auctions came to. Wire format: SkyPilot's client."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, refusing, rows_under
from infra.local.providers.world import ListPrice, Shape, chance, shapes_of

SLUG = "mithril"

_REGIONS = ("us-central1-a", "us-central2-a", "us-east1-a", "eu-central1-a")


def _name(price: ListPrice, gpus: int) -> str:
    return f"{price.gpu.lower()}-{price.vram_gb}gb.{(price.form or 'pcie').lower().rstrip('456')}.{gpus}x"


def _fid(name: str) -> str:
    return f"it_{int(chance(SLUG, name) * 2**48):012x}"


def stock() -> list[Shape]:
    return shapes_of(SLUG, _name, _REGIONS, most=6)


async def _types(call: Call) -> Response:
    types: dict[str, Any] = {
        shape.details["name"]: {
            "fid": _fid(shape.details["name"]),
            "name": shape.details["name"],
            "gpu_type": shape.gpu,
            "num_gpus": shape.gpus,
            "gpu_memory_gb": shape.vram_gb,
            "num_cpus": int(shape.vcpus),
            "ram_gb": int(shape.ram_gb),
        }
        for shape in call.world.shapes[SLUG].values()
    }
    return answer(list(types.values()))


async def _spot(call: Call) -> Response:
    return answer(
        [
            {
                "fid": f"auc_{_fid(shape.key)[3:]}",
                "instance_type": _fid(shape.details["name"]),
                "region": shape.region,
                "last_instance_price": f"${shape.hourly():.2f}",
                "capacity": max(0, shape.stock),
            }
            for shape in call.world.shapes[SLUG].values()
        ]
    )


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v2/instance-types", "list", _types),
        Operation("GET", "/v2/spot/availability", "list", _spot),
    ),
    refuse=refusing(lambda _, message: {"message": message}),
    rows_of=rows_under(),
    account=bearer_account(SLUG),
)
