"""JarvisLabs: GPUs by region. Wire format: PyPI jarvislabs 0.2, dstackai/dstack."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, in_list, refusing
from infra.local.providers.world import ListPrice, Shape, chance, on_demand_of, shapes_of, spot_of

SLUG = "jarvislabs"

_REGIONS = ("europe-01", "india-chennai-01", "india-noida-01")
_SELLER = "jarvis-labs"


def _type(price: ListPrice) -> str:
    return {"RTX PRO 6000": "RTX-PRO6000"}.get(price.gpu, price.gpu) + ("-80GB" if price.vram_gb == 80 else "")


def stock() -> list[Shape]:
    """One shape per GPU, region and count. Those of a GPU and region share its price and come out of one pool."""
    shapes = shapes_of(SLUG, lambda price, gpus: f"{gpus}x {_type(price)}", _REGIONS, seller=_SELLER, disk_gb=100)
    spot = {(price.gpu, price.vram_gb): spot_of(price) for price in on_demand_of(_SELLER)}
    shapes = [shape for shape in shapes if shape.region != "europe-01" or shape.gpus == 1]
    for shape in shapes:
        shape.details["type"] = shape.details["name"].partition(" ")[2]
        shape.spot_usd = spot[shape.gpu, shape.vram_gb]
        shape.stock = int(12 * chance(SLUG, shape.details["type"], shape.region)) // shape.gpus
    return shapes


def _rows(call: Call) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        row = rows.setdefault(
            (shape.details["type"], shape.region),
            {
                "gpu_type": shape.details["type"],
                "region": shape.region,
                "price_per_hour": float(shape.usd),
                "spot_price": None if shape.spot_usd is None else float(shape.spot_usd),
                "vram": f"{shape.vram_gb} GB",
                "cpus_per_gpu": int(shape.vcpus / shape.gpus),
                "ram_per_gpu": int(shape.ram_gb / shape.gpus),
                "num_gpus": 0,
                "num_free_devices": 0,
                "effective_num_free_devices": 0,
                "spot_num_free_devices": 0,
                "workload_type": None if shape.region == "europe-01" else "vm",
            },
        )
        row["num_gpus"] = max(row["num_gpus"], shape.gpus)
        free = max(row["num_free_devices"], shape.gpus if shape.stock > 0 else 0)
        row |= dict.fromkeys(("num_free_devices", "effective_num_free_devices", "spot_num_free_devices"), free)
    return list(rows.values())


async def _list(call: Call) -> Response:
    cpu = {"combinations": [{"vcpus": 4, "ram_gb": 16, "price": 0.1, "available": True, "regions": {}}]}
    return answer({"server_meta": _rows(call), "cpu_meta": cpu})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/misc/server_meta", "list", _list),),
    refuse=refusing(lambda _, message: {"detail": message}),
    rows_of=in_list("server_meta"),
    account=bearer_account(SLUG),
)
