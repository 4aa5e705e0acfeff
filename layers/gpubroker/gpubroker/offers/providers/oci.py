"""Oracle Cloud: shapes with GPUs and their list prices, the same in every region. Public, no key.

GET /a/ocom/docs/cloudestimator2/data/shapes.json and .../products.json, what Oracle's own cost estimator reads.
Units: a product's PAY_AS_YOU_GO value is USD per hour of one GPU (per OCPU where a shape has none): a shape costs that
times gpuQty. Preemptible capacity costs half. bundleMemoryQty GB; gpuMemoryQty GB over ALL GPUs; qty OCPUs, of which
an x86 one is two vCPUs (the data calls the A10 and A100 shapes ARM, which they are not).
Neither regions nor capacity are said. The GPU stands only in the shape's name.
Source: dstackai/gpuhunt providers/oci.py.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe, form_of
from gpubroker.offers.offer import Offer, offer_id_of

SLUG = "oci"
ORIGIN = "https://www.oracle.com"
SOURCE = "cost estimator: shapes.json + products.json"

_PATH = "/a/ocom/docs/cloudestimator2/data"
_PREEMPTIBLE = Decimal("0.5")
_BY_GENERATION = {"GPU2": "P100", "GPU3": "V100", "GPU4": "A100"}
_ARM = ("GB200", "GB300", "GH200")


class Word(wire.Row):
    value: str | None = None


class Part(wire.Row):
    partNumber: str  # noqa: N815  (the wire's own names, here and below)
    type: Word = Word()
    qty: float | None = None


class Shape(wire.Row):
    name: str
    status: str | None = None
    hidden: bool | None = None
    allowPreemptible: bool | None = None  # noqa: N815
    gpuQty: int | None = None  # noqa: N815
    gpuMemoryQty: float | None = None  # noqa: N815
    bundleMemoryQty: float | None = None  # noqa: N815
    shapeType: Word = Word()  # noqa: N815
    products: tuple[Part, ...] = ()


class Price(wire.Row):
    model: str
    value: Decimal


class Localised(wire.Row):
    currencyCode: str  # noqa: N815
    prices: tuple[Price, ...] = ()


class Product(wire.Row):
    partNumber: str  # noqa: N815
    billingModel: str | None = None  # noqa: N815
    pricetype: str | None = None
    currencyCodeLocalizations: tuple[Localised, ...] = ()  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"shapes": answer, "products": answer}."""
    shapes, products = await asking.together(
        asking.ask(client, SLUG, "GET", f"{base_url}{_PATH}/shapes.json"),
        asking.ask(client, SLUG, "GET", f"{base_url}{_PATH}/products.json", max_body=asking.MAX_BODY),
    )
    return {"shapes": shapes, "products": products}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """A dict of both answers to one offer per shape with GPUs, and one more where it may be preemptible."""
    harvest = wire.Harvest(SLUG, fetched_at)
    shapes = _items(wire.member(SLUG, payload, "shapes", "shapes.json"))
    wanted = {
        part.get("partNumber")
        for shape in shapes
        if isinstance(shape, Mapping) and shape.get("gpuQty")
        for part in shape.get("products") or ()
        if isinstance(part, Mapping)
    }
    # A few dozen of several thousand products are of GPUs; the others are not looked at.
    listed = [
        row
        for row in _items(wire.member(SLUG, payload, "products", "products.json"))
        if not isinstance(row, Mapping) or row.get("partNumber") in wanted
    ]
    prices = {one.partNumber: price for one in harvest.read(Product, listed) if (price := _price(one)) is not None}
    harvest.each(Shape, shapes, lambda shape: _offers(shape, prices, harvest.fetched_at))
    return harvest.offers()


def _items(answer: Any) -> list[Any]:
    rows: list[Any] = answer if isinstance(answer, list) else wire.member(SLUG, answer, "items")
    return rows


def _price(product: Product) -> Decimal | None:
    """USD an hour, pay as you go; None where the product is not sold like that."""
    if (product.billingModel or "UCM") != "UCM" or (product.pricetype or "HOUR") != "HOUR":
        return None
    return next(
        (
            price.value
            for localised in product.currencyCodeLocalizations
            if localised.currencyCode == "USD"
            for price in localised.prices
            if price.model == "PAY_AS_YOU_GO"
        ),
        None,
    )


def _offers(shape: Shape, prices: Mapping[str, Decimal], fetched_at: datetime) -> Iterable[Offer]:
    if not shape.gpuQty or shape.hidden or (shape.status or "ACTIVE") != "ACTIVE":
        return
    gpus = wire.gpu_number(shape.gpuQty)
    part = next((one for one in shape.products if one.type.value in (None, "ocpu")), None)
    each = prices.get(part.partNumber) if part else None
    if part is None or each is None:
        raise wire.Refused("no price of this shape")
    memory = shape.gpuMemoryQty
    gpu = describe(_gpu_of(shape.name), vram_gb=memory / gpus if memory else None)
    metal = shape.name.startswith("BM.")
    for spot in (False, True) if shape.allowPreemptible else (False,):
        yield Offer(
            offer_id=offer_id_of(SLUG, shape.name, "preemptible" if spot else ""),
            provider=SLUG,
            provider_offer_id=shape.name,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=wire.tidy(part.qty * (1 if gpu.model in _ARM else 2)) if part.qty else None,
            ram_gb=wire.tidy(shape.bundleMemoryQty),
            # Bare metal with eight of these is an HGX board; of the others the name says nothing.
            interconnect=gpu.form
            or (form_of("SXM", gpu.model) if metal and gpus == 8 and _has_board(gpu.model) else None),
            **wire.priced(each * gpus * (_PREEMPTIBLE if spot else 1), gpus=gpus),
            spot=spot,
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )


def _has_board(model: str) -> bool:
    return model in ("A100", "B200", "B300", "H100", "H200", "V100")


def _gpu_of(name: str) -> str:
    """ "BM.GPU.H100.8" is an H100, "VM.GPU3.2" a V100; an unknown name comes back whole."""
    parts = name.replace("-", ".").split(".")
    for place, part in enumerate(parts):
        if part in _BY_GENERATION:
            return _BY_GENERATION[part]
        if part == "GPU" and place + 1 < len(parts):
            return parts[place + 1]
    return name
