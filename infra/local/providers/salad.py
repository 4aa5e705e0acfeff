"""SaladCloud: GPU classes by priority. Wire format: SaladTechnologies/salad-cloud-docs."""

from decimal import Decimal

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, header_account, in_list, refusing
from infra.local.providers.world import Shape, chance, list_prices

SLUG = "salad"

_ORGANIZATION = "local-organization"
# What the priorities cost beside the published one, medium.
_PRIORITIES = {"high": "1.25", "medium": "1", "low": "0.85", "batch": "0.7"}


def stock() -> list[Shape]:
    return [
        Shape(
            key=f"{price.gpu} ({price.vram_gb} GB)",
            gpu=price.gpu,
            form=price.form,
            gpus=1,
            vram_gb=price.vram_gb,
            usd=price.usd_per_gpu_hour,
            region="-",
            stock=int(40 * chance(SLUG, price.gpu)),
            group=f"{price.gpu}/{price.vram_gb}",
        )
        for price in list_prices()
        if price.seller == SLUG
    ]


def _uuid(shape: Shape) -> str:
    text = f"{int(chance(SLUG, 'id', shape.key) * 2**48):012x}"
    return f"00000000-0000-4000-8000-{text}"


async def _list(call: Call) -> Response:
    if call.request.path_params["organization"] != _ORGANIZATION:
        return _refuse(403)
    rows = [
        {
            "id": _uuid(shape),
            "name": shape.key,
            "prices": [
                {"priority": priority, "price": format((shape.usd * Decimal(factor)).quantize(Decimal("0.001")), "f")}
                for priority, factor in _PRIORITIES.items()
            ],
            "is_high_demand": shape.stock < 6,
            "gpu_count": 1,
            "gpu_class_type": "community",
            "min_vcpu": 1,
            "max_vcpu": 16,
            "min_ram": 1024,
            "max_ram": 61440,
            "min_storage": 0,
            "max_storage": 268435456000,
        }
        for shape in call.world.shapes[SLUG].values()
    ]
    return answer({"items": rows})


_refuse = refusing(lambda _, message: {"title": message, "type": "about:blank"})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/api/public/organizations/{organization}/gpu-classes", "list", _list),),
    refuse=_refuse,
    rows_of=in_list("items"),
    account=header_account(SLUG, "salad-api-key"),
)
