"""Akash: what hosts bid for each GPU model. Wire format: akash-network/console, apps/api/swagger/openapi.json."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, anybody, in_list, refusing
from infra.local.providers.world import Shape, chance, list_prices

SLUG = "akash"

# Models that somebody offers and nobody bids for: listed, without a price.
_WITHOUT_BIDS = (
    ("gtx1070", "GTX 1070", 8),
    ("p4", "P4", 8),
    ("gtx1660", "GTX 1660", 6),
    ("rtx2060", "RTX 2060", 6),
    ("v100", "V100", 32),
)


def _shape(name: str, gpu: str, form: str | None, vram_gb: int, usd: Any, bids: bool) -> Shape:
    return Shape(
        key=f"{name}/{vram_gb}Gi",
        gpu=gpu,
        form=form,
        gpus=1,
        vram_gb=vram_gb,
        usd=usd,
        region="-",
        stock=int(30 * chance(SLUG, name)),
        group=f"{name}/{vram_gb}",
        details={"model": name, "bids": bids},
    )


def stock() -> list[Shape]:
    published = [price for price in list_prices() if price.seller == SLUG]
    cheapest = min(price.usd_per_gpu_hour for price in published)
    shapes = [
        _shape(
            price.gpu.lower().replace(" ", ""),
            price.gpu,
            price.form or "SXM",
            price.vram_gb,
            price.usd_per_gpu_hour,
            True,
        )
        for price in published
    ]
    shapes += [_shape(name, gpu, "PCIe", vram_gb, cheapest, False) for name, gpu, vram_gb in _WITHOUT_BIDS]
    return list({shape.key: shape for shape in shapes}.values())


async def _list(call: Call) -> Response:
    rows = []
    for shape in call.world.shapes[SLUG].values():
        low = float(shape.usd)
        spread = {"min": low, "med": low * 1.2, "weightedAverage": low * 1.25, "avg": low * 1.3, "max": low * 2}
        price = {"currency": "USD", **{name: round(value, 4) for name, value in spread.items()}}
        rows.append(
            {
                "vendor": "nvidia",
                "model": shape.details["model"],
                "ram": f"{shape.vram_gb}Gi",
                "interface": shape.form,
                "availability": {"total": shape.stock + 10, "available": shape.stock},
                "providerAvailability": {"total": 5, "available": min(5, shape.stock)},
                "price": price if shape.details["bids"] else None,
            }
        )
    total = sum(row["availability"]["total"] for row in rows)
    free = sum(row["availability"]["available"] for row in rows)
    return answer({"availability": {"total": total, "available": free}, "models": rows})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v1/gpu-prices", "list", _list, needs_key=False),),
    refuse=refusing(lambda _, message: {"error": message, "message": message}),
    rows_of=in_list("models"),
    account=anybody,
)
