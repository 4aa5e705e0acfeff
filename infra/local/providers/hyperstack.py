"""Hyperstack: flavors in groups by GPU and region, and a price book. Wire format: hyperstack-sdk-python."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, header_account
from infra.local.providers.world import Shape, chance, on_demand_of

SLUG = "hyperstack"

_REGIONS = ("CANADA-1", "NORWAY-1", "US-1")


def stock() -> list[Shape]:
    shapes = []
    for price in on_demand_of(SLUG):
        form = {"SXM4": "SXM4", "SXM5": "SXM5"}.get(price.form or "", price.form or "PCIe")
        gpu = (
            f"{price.gpu.replace(' ', '-')}-{price.vram_gb}G-{form}"
            if price.vram_gb >= 80
            else price.gpu.replace(" ", "-")
        )
        for gpus in (1, 2, 4, 8):
            name = f"n3-{gpu}x{gpus}"
            shapes += [
                Shape(
                    key=f"{name}/{region}",
                    gpu=price.gpu,
                    form=price.form,
                    gpus=gpus,
                    vram_gb=price.vram_gb,
                    usd=price.usd_per_gpu_hour,
                    region=region,
                    stock=int(6 * chance(SLUG, name, region)),
                    group=gpu,
                    vcpus=(price.vcpus or 28) * gpus,
                    ram_gb=(price.ram_gb or 120) * gpus,
                    disk_gb=100,
                    details={"name": name, "gpu": gpu},
                )
                for region in _REGIONS
            ]
    return shapes


async def _flavors(call: Call) -> Response:
    asked = call.request.query_params.get("region")
    groups: dict[tuple[str, str], list[Any]] = {}
    for index, shape in enumerate(call.world.shapes[SLUG].values()):
        if asked in (None, shape.region):
            groups.setdefault((shape.details["gpu"], shape.region), []).append(
                {
                    "id": 90 + index,
                    "name": shape.details["name"],
                    "display_name": None,
                    "region_name": shape.region,
                    "cpu": int(shape.vcpus),
                    "ram": float(shape.ram_gb),
                    "disk": int(shape.disk_gb),
                    "ephemeral": 750 * shape.gpus,
                    "gpu": shape.details["gpu"],
                    "gpu_count": shape.gpus,
                    "stock_available": shape.stock > 0,
                }
            )
    data = [{"gpu": gpu, "region_name": region, "flavors": rows} for (gpu, region), rows in groups.items()]
    return answer({"status": True, "message": "Getting flavors successful", "data": data})


async def _pricebook(call: Call) -> Response:
    values = {shape.details["gpu"]: shape.usd for shape in call.world.shapes[SLUG].values()}
    extras = {"vCPU (cpu-only-flavors)": 0.004, "RAM (cpu-only-flavors)": 0.003, "Public IP": 0.0067}
    rows = [(name, float(value)) for name, value in values.items()] + list(extras.items())
    return answer(
        [
            {"id": index, "name": name, "value": value, "original_value": value, "discount_applied": False}
            for index, (name, value) in enumerate(rows, start=1)
        ]
    )


def _refuse(status: int) -> Response:
    messages = {401: "Unauthorized", 429: "Too many requests"}
    return answer({"status": False, "message": messages.get(status, "Internal server error")}, status)


def _rows_of(told: Any) -> list[Any]:
    return [told] if isinstance(told, list) else [told["data"]] if "data" in told else []


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v1/core/flavors", "list", _flavors),
        Operation("GET", "/v1/pricebook", "list", _pricebook),
    ),
    refuse=_refuse,
    rows_of=_rows_of,
    account=header_account(SLUG, "api_key"),
)
