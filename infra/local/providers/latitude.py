"""Latitude.sh: plans of servers and of virtual machines (JSON:API). Wire format: latitudesh-python-sdk 3.4."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, in_list, refusing
from infra.local.providers.world import Shape, shapes_of

SLUG = "latitude"

_SITES = {
    "ASH": "United States",
    "CHI": "United States",
    "DAL": "United States",
    "LAX2": "United States",
    "FRA": "Germany",
    "LON": "United Kingdom",
    "SAO2": "Brazil",
    "TYO4": "Japan",
}


def stock() -> list[Shape]:
    """Virtual machines of one GPU, servers of 4 and 8."""
    shapes = shapes_of(
        SLUG,
        lambda price, gpus: (
            f"vm-{price.gpu.lower().replace(' ', '')}-{price.vram_gb}-small"
            if gpus == 1
            else f"g4-{price.gpu.lower().replace(' ', '')}-{price.vram_gb}-{gpus}x"
        ),
        _SITES,
        counts=(1, 4, 8),
        here=0.6,
        most=5,
        disk_gb=3840,
    )
    for shape in shapes:
        shape.details["vm"] = shape.gpus == 1
    return shapes


def _plans(call: Call, *, vm: bool) -> list[dict[str, Any]]:
    plans: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        if shape.details["vm"] is not vm:
            continue
        name = shape.details["name"]
        plan = plans.setdefault(
            name,
            {
                "id": f"plan_{name}",
                "type": "virtual_machine_plans" if vm else "plans",
                "attributes": {
                    "slug": name,
                    "name": name.replace("-", "."),
                    "features": ["ssh", "user_data"],
                    "specs": _vm_specs(shape) if vm else _server_specs(shape),
                    "regions": [],
                },
            },
        )
        country = _SITES[shape.region]
        regions = plan["attributes"]["regions"]
        region = next((one for one in regions if one["name"] == country), None)
        if region is None:
            region = {
                "name": country,
                "locations": {"available": [], "in_stock": []},
                "stock_level": "unavailable",
                "pricing": {
                    "USD": {"hour": float(shape.hourly()), "month": float(shape.hourly()) * 600},
                    "BRL": {"hour": float(shape.hourly()) * 5.4},
                },
            }
            regions.append(region)
        region["locations"]["available"].append(shape.region)
        if shape.stock > 0:
            region["locations"]["in_stock"].append(shape.region)
            region["stock_level"] = "low" if shape.stock < 2 and region["stock_level"] != "medium" else "medium"
    return list(plans.values())


def _server_specs(shape: Shape) -> dict[str, Any]:
    return {
        "cpu": {"type": "AMD 9354", "clock": 3.25, "cores": shape.vcpus / 2, "count": 2},
        "memory": {"total": int(shape.ram_gb)},
        "drives": [{"count": 2, "size": "480 GB", "type": "NVME"}, {"count": 4, "size": "3.8 TB", "type": "NVME"}],
        "nics": [{"count": 2, "type": "100 Gbps"}],
        "gpu": {
            "count": shape.gpus,
            "type": f"NVIDIA {shape.gpu}",
            "vram_per_gpu": shape.vram_gb,
            "interconnect": shape.form or "PCIe",
        },
    }


def _vm_specs(shape: Shape) -> dict[str, Any]:
    return {
        "memory": int(shape.ram_gb),
        "gpu": f"NVIDIA {shape.gpu}",
        "vram_per_gpu": shape.vram_gb,
        "vcpus": int(shape.vcpus),
        "disk": {"type": "local NVMe", "size": {"amount": int(shape.disk_gb), "unit": "gib"}},
    }


def _page(call: Call, rows: list[Any]) -> Response:
    asked = call.request.query_params
    number, size = max(1, int(asked.get("page[number]", 1))), max(1, int(asked.get("page[size]", 20)))
    return answer({"data": rows[(number - 1) * size : number * size], "meta": {}})


async def _list(call: Call) -> Response:
    cpu = {"id": "plan_c3", "type": "plans", "attributes": {"slug": "c3-small-x86", "specs": {}, "regions": []}}
    rows = _plans(call, vm=False)
    return _page(call, rows if call.request.query_params.get("filter[gpu]") == "true" else [cpu, *rows])


async def _list_machines(call: Call) -> Response:
    return _page(call, _plans(call, vm=True))


_refuse = refusing(lambda _, message: {"errors": [{"code": message.upper().replace(" ", "_"), "title": message}]})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/plans", "list", _list),
        Operation("GET", "/plans/virtual_machines", "list", _list_machines),
    ),
    refuse=_refuse,
    rows_of=in_list("data"),
    account=bearer_account(SLUG),
)
