"""Hyperbolic: on-demand rental options. Wire format: recent clients of its v2 API."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bare_list, bearer_account, refusing
from infra.local.providers.world import Shape, shapes_of

SLUG = "hyperbolic"

_REGIONS = ("us-central-1", "us-east-1", "us-west-1")


def stock() -> list[Shape]:
    return shapes_of(SLUG, lambda price, gpus: f"{gpus}x {price.gpu.lower()}", _REGIONS, most=4, disk_gb=1000)


def option_of(shape: Shape) -> dict[str, Any]:
    node = {
        "cpuModel": "Xeon Platinum 8480",
        "vcpuCount": int(shape.vcpus),
        "ramGb": int(shape.ram_gb),
        "storageGb": int(shape.disk_gb),
        "gpuCount": shape.gpus,
    }
    return {
        "gpuType": shape.gpu.lower(),
        "gpuFormFactor": (shape.form or "pcie").lower(),
        "gpuCount": shape.gpus,
        "region": shape.region,
        "machineType": "virtual-machine",
        "connectionType": "ethernet",
        "costPerHourCents": int(shape.hourly() * 100),
        "totalAvailable": shape.stock * shape.gpus,
        "enabled": True,
        "nodes": [node],
    }


async def _list(call: Call) -> Response:
    return answer([option_of(shape) for shape in call.world.shapes[SLUG].values()])


_refuse = refusing(lambda _, message: {"message": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v2/on-demand/rental-options", "list", _list),),
    refuse=_refuse,
    rows_of=bare_list,
    account=bearer_account(SLUG),
)
