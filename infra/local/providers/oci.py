"""Oracle Cloud: the cost estimator's shapes and products. Wire format: dstackai/gpuhunt."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, in_list, refusing
from infra.local.providers.world import Shape

SLUG = "oci"

_PATH = "/a/ocom/docs/cloudestimator2/data"


def stock() -> list[Shape]:
    """In no region: the price list is the same in all."""
    return stocked(SLUG, ("",))


def _part(shape: Shape) -> str:
    return f"B{90_000 + sum(map(ord, shape.key))}-{shape.gpus}"


def _shape(shape: Shape) -> dict[str, Any]:
    metal = shape.details["name"].startswith("BM.")
    return {
        "name": shape.details["name"],
        "hidden": False,
        "status": "ACTIVE",
        "allowPreemptible": not metal,
        "bundleMemoryQty": int(shape.ram_gb),
        "gpuQty": shape.gpus,
        "gpuMemoryQty": shape.vram_gb * shape.gpus,
        "processorType": {"value": "arm" if shape.gpu in ("A10", "A100", "GB200") else "x86"},
        "shapeType": {"value": "bm" if metal else "vm"},
        "subType": {"value": "gpu"},
        "products": [
            {
                "type": {"value": "ocpu"},
                "partNumber": _part(shape),
                "qty": shape.vcpus / (1 if shape.gpu == "GB200" else 2),
            }
        ],
    }


def _product(number: str, value: float) -> dict[str, Any]:
    prices = [{"model": "PAY_AS_YOU_GO", "value": value}]
    euros = [{"model": "PAY_AS_YOU_GO", "value": round(value * 0.93, 4)}]
    return {
        "partNumber": number,
        "displayName": f"OCI - Compute - {number}",
        "billingModel": "UCM",
        "pricetype": "HOUR",
        "currencyCodeLocalizations": [
            {"currencyCode": "EUR", "prices": euros},
            {"currencyCode": "USD", "prices": prices},
        ],
    }


async def _shapes(call: Call) -> Response:
    rows = [_shape(shape) for shape in call.world.shapes[SLUG].values()]
    plain = {"name": "VM.Standard2.1", "hidden": False, "status": "ACTIVE", "gpuQty": None, "bundleMemoryQty": 15,
             "products": [{"type": {"value": "ocpu"}, "partNumber": "B88514", "qty": 1}]}  # fmt: skip
    return answer({"items": [*rows, plain] if rows else []})


async def _products(call: Call) -> Response:
    rows = [_product(_part(shape), float(shape.usd)) for shape in call.world.shapes[SLUG].values()]
    return answer({"items": [*rows, _product("B88514", 0.0638)]})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", f"{_PATH}/shapes.json", "list", _shapes, needs_key=False),
        Operation("GET", f"{_PATH}/products.json", "list", _products, needs_key=False),
    ),
    refuse=refusing(lambda status, message: {"message": message}),
    rows_of=in_list("items"),
    account=lambda request: "",
)
