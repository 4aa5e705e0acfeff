"""CUDO Compute: machine types with the prices of their parts. Wire format: the provider's swagger of 2024."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, refusing, rows_under
from infra.local.providers.world import ListPrice, Shape, chance, shapes_of

SLUG = "cudo"

_DATA_CENTERS = ("us-newyork-1", "us-santaclara-1", "se-smedjebacken-1", "gb-bournemouth-1", "no-luster-1")
_PARTS = {
    "vcpuPriceHr": "0.0025",
    "memoryGibPriceHr": "0.0031",
    "minStorageGibPriceHr": "0.00011",
    "ipv4PriceHr": "0.005",
}


def _model(price: ListPrice) -> str:
    if price.gpu in ("A40", "L40S"):
        return f"{price.gpu} (compute mode)"
    form = {"NVLink": "SXM"}.get(price.form or "", (price.form or "PCIe").rstrip("2456"))
    return (
        f"{price.gpu} {price.vram_gb}GB {form}"
        if price.gpu == "A100"
        else f"{price.gpu} {form}"
        if price.gpu == "H100"
        else price.gpu
    )


def stock() -> list[Shape]:
    """One shape per machine type, data centre and count; those of a type at a centre come out of one pool."""
    shapes = shapes_of(SLUG, lambda price, gpus: f"{gpus}x {_model(price)}", _DATA_CENTERS, disk_gb=100)
    found: dict[str, Shape] = {}
    for shape in shapes:
        model = shape.details["name"].partition(" ")[2]
        shape.details |= {"model": model, "type": f"{model.split(' (')[0].lower().replace(' ', '-')}-epyc-milan"}
        shape.group = model
        shape.stock = int(11 * chance(SLUG, model, shape.region)) // shape.gpus
        shape.vcpus, shape.ram_gb = 8 * shape.gpus, 32 * shape.gpus
        found.setdefault(shape.key, shape)
    return list(found.values())


async def _list(call: Call) -> Response:
    asked = call.request.query_params
    types: dict[tuple[str, str], dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        row = types.setdefault(
            (shape.details["type"], shape.region),
            {
                "machineType": shape.details["type"],
                "dataCenterId": shape.region,
                "gpuModel": shape.details["model"],
                "gpuModelId": shape.details["type"],
                "gpuMemoryGib": shape.vram_gb,
                "gpuPriceHr": {"value": str(shape.usd)},
                **{name: {"value": value} for name, value in _PARTS.items()},
                "minVcpuPerGpu": 1,
                "maxVcpuPerGpu": 24,
                "minVcpuPerMemoryGib": 0.05,
                "maxVcpuPerMemoryGib": 1,
                "maxGpuPerVm": 8,
                "maxGpuFree": 0,
                "totalGpuFree": 0,
            },
        )
        if shape.stock > 0:
            row["maxGpuFree"] = max(row["maxGpuFree"], shape.gpus)
            row["totalGpuFree"] = row["maxGpuFree"]
    cpu_only = {"machineType": "epyc-milan", "dataCenterId": "gb-bournemouth-1", "gpuModel": "", "maxGpuFree": 0}
    rows = [*types.values(), cpu_only]
    number, size = max(1, int(asked.get("pageNumber", 1))), max(1, int(asked.get("pageSize", 20)))
    return answer({"machineTypes": rows[(number - 1) * size : number * size]})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v1/vms/machine-types", "list", _list, needs_key=False),),
    refuse=refusing(lambda _, message: {"code": 16, "message": message, "details": []}),
    rows_of=rows_under("machineTypes"),
    account=bearer_account(SLUG),
)
