"""Prime Intellect: availability in pages. Wire format: PrimeIntellect-ai/prime-cli."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account
from infra.local.providers.world import Shape, chance, on_demand_of

SLUG = "primeintellect"

# The seller of the published price, the cloud's name here, and its data centres with their countries.
_CLOUDS = (
    ("runpod", "runpod", {"US-TX-3": "US", "EU-RO-1": "RO", "CA-MTL-1": "CA"}),
    ("hyperstack", "hyperstack", {"CANADA-1": "CA", "NORWAY-1": "NO"}),
    ("verda", "datacrunch", {"FIN-01": "FI", "ICE-01": "IS"}),
    ("lambdalabs", "lambdalabs", {"us-east-1": "US", "europe-central-1": "DE"}),
    ("jarvis-labs", "jarvislabs", {"india-noida-01": "IN"}),
    ("novita", "novita", {"AS-SGP-02": "SG", "US-CA-06": "US"}),
    ("spheron", "spheron", {"eu-fr-1": "FR", "us-central-1": "US"}),
    ("coreweave", "coreweave", {"ORD1": "US", "LGA1": "US"}),
)


def stock() -> list[Shape]:
    shapes: dict[str, Shape] = {}
    for seller, cloud, places in _CLOUDS:
        for price in on_demand_of(seller):
            kind = f"{price.gpu.replace('RTX A', 'A').replace(' ', '')}_{price.vram_gb}GB"
            for gpus in (1, 2, 4, 8):
                for place, country in places.items():
                    key = f"{cloud}/{kind}/{price.form or 'PCIe'}/{gpus}/{place}"
                    seed = (SLUG, key)
                    shapes[key] = Shape(
                        key=key,
                        gpu=price.gpu,
                        form=price.form,
                        gpus=gpus,
                        vram_gb=price.vram_gb,
                        usd=price.usd_per_gpu_hour,
                        region=place,
                        stock=int(12 * chance(*seed)) if chance(*seed, "here") < 0.7 else 0,
                        group=f"{cloud}/{kind}/{price.form}/{gpus}",
                        vcpus=(price.vcpus or 16) * gpus,
                        ram_gb=(price.ram_gb or 96) * gpus,
                        disk_gb=100 * gpus,
                        details={
                            "cloud": cloud,
                            "kind": kind,
                            "country": country,
                            "community": cloud == "runpod" and chance(*seed, "community") < 0.4,
                        },
                    )
    return list(shapes.values())


def _row(shape: Shape) -> dict[str, Any]:
    community = shape.details["community"]
    price = float(shape.hourly())
    level = "Unavailable" if shape.stock <= 0 else "Low" if shape.stock < 3 else "Medium" if shape.stock < 8 else "High"
    return {
        "cloudId": f"{shape.details['kind']}-{shape.form or 'PCIe'}-{shape.gpus}",
        "gpuType": shape.details["kind"],
        "socket": shape.form or "PCIe",
        "provider": shape.details["cloud"],
        "region": shape.region,
        "dataCenter": shape.region,
        "country": shape.details["country"],
        "gpuCount": shape.gpus,
        "gpuMemory": shape.vram_gb,
        "disk": {"minCount": 50, "defaultCount": shape.disk_gb, "maxCount": 1000, "pricePerUnit": 0.0001},
        "vcpu": {"minCount": shape.vcpus, "defaultCount": shape.vcpus, "maxCount": shape.vcpus},
        "memory": {"minCount": shape.ram_gb, "defaultCount": shape.ram_gb, "maxCount": shape.ram_gb},
        "internetSpeed": 1000,
        "provisioningTime": 120,
        "stockStatus": level,
        "security": "community_cloud" if community else "secure_cloud",
        "prices": {
            "onDemand": None if community else price,
            "communityPrice": price if community else None,
            "isVariable": False,
            "currency": "USD",
        },
        "images": ["ubuntu_22_cuda_12"],
        "isSpot": False,
    }


async def _list(call: Call) -> Response:
    asked = call.request.query_params
    page, size = max(1, int(asked.get("page", 1))), min(100, max(1, int(asked.get("page_size", 20))))
    rows = [
        _row(shape)
        for shape in call.world.shapes[SLUG].values()
        if asked.get("gpu_type") in (None, shape.details["kind"])
    ]
    return answer({"items": rows[(page - 1) * size : page * size], "totalCount": len(rows)})


def _refuse(status: int) -> Response:
    messages = {401: "Invalid or missing API key", 429: "Rate limit exceeded"}
    return answer({"detail": messages.get(status, "Internal server error")}, status)


def _rows_of(told: Any) -> list[Any]:
    return [told["items"]] if "items" in told else []


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/api/v1/availability/gpus", "list", _list),),
    refuse=_refuse,
    rows_of=_rows_of,
    account=bearer_account(SLUG),
)
