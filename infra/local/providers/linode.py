"""Linode: types, and where they can be had. Wire format: recorded answers in linode/linodego."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, cut, in_list, refusing
from infra.local.providers.world import Rented, Shape

SLUG = "linode"

_REGIONS = ("us-ord", "us-sea", "fr-par-2", "de-fra-2", "jp-osa", "sg-sin-2", "in-bom-2", "us-mia")
_SIZES = {"s": "Small", "m": "Medium", "l": "Large", "xl": "X-Large"}
_DEARER = {"jp-osa": 1.1, "sg-sin-2": 1.05}
"""Regions with prices of their own."""


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


def _label(shape: Shape) -> str:
    name = shape.details["name"]
    if name.startswith("g1-"):
        return f"Dedicated {int(shape.ram_gb)}GB + RTX6000 GPU x{shape.gpus}"
    return f"RTX4000 Ada x{shape.gpus} {_SIZES[name.rpartition('-')[2]]}"


def _type(shape: Shape, regions: list[str]) -> dict[str, Any]:
    hourly = float(shape.hourly())
    return {
        "id": shape.details["name"],
        "label": _label(shape),
        "class": "gpu",
        "gpus": shape.gpus,
        "memory": int(shape.ram_gb * 1024),
        "disk": int(shape.disk_gb * 1024),
        "vcpus": int(shape.vcpus),
        "network_out": 10_000,
        "transfer": 0,
        "successor": None,
        "price": {"hourly": hourly, "monthly": round(hourly * 672, 2)},
        "region_prices": [
            {"id": region, "hourly": round(hourly * factor, 4), "monthly": round(hourly * factor * 672, 2)}
            for region, factor in _DEARER.items()
            if region in regions
        ],
    }


def _paged(call: Call, rows: list[Any]) -> Response:
    found, page, pages = cut(rows, call, size="page_size", default=100, most=500)
    return answer({"data": found, "page": page, "pages": pages, "results": len(rows)})


async def _types(call: Call) -> Response:
    regions: dict[str, list[str]] = {}
    shapes: dict[str, Shape] = {}
    for shape in call.world.shapes[SLUG].values():
        shapes[shape.group] = shape
        regions.setdefault(shape.group, []).append(shape.region)
    rows: list[dict[str, Any]] = [_type(shape, regions[name]) for name, shape in shapes.items()]
    nanode = {"id": "g6-nanode-1", "label": "Nanode 1GB", "class": "nanode", "gpus": 0, "memory": 1024, "disk": 25600,
              "vcpus": 1, "price": {"hourly": 0.0075, "monthly": 5.0}, "region_prices": []}  # fmt: skip
    return _paged(call, [nanode, *rows])


async def _availability(call: Call) -> Response:
    rows = [
        {"region": shape.region, "plan": shape.details["name"], "available": shape.stock > 0}
        for shape in call.world.shapes[SLUG].values()
    ]
    return _paged(call, rows)


def _instance(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    status = (
        "offline" if instance.broken else "running" if booted >= 1 else "booting" if booted > 0.5 else "provisioning"
    )
    return {
        "id": int(instance.instance_id),
        "label": instance.label,
        "status": status,
        "type": shape.details["name"] if shape else None,
        "region": shape.region if shape else None,
        "image": instance.request.get("image"),
        "ipv4": [call.world.address_of(instance), "192.168.128.5"],
        "hypervisor": "kvm",
    }


def _reason(text: str, field: str | None = None) -> Response:
    return answer({"errors": [{"reason": text, **({"field": field} if field else {})}]}, 400)


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    shape = vms.shape_of(call, SLUG, wanted.get("type"), wanted.get("region"))
    if shape is None:
        return _reason("type or region is not valid", "type")
    if not wanted.get("root_pass") or not all(vms.is_key(key) for key in wanted.get("authorized_keys", ())):
        return _reason("root_pass is required and authorized_keys are OpenSSH lines", "root_pass")
    if wanted.get("label") in {one.label for one in call.world.running(SLUG, call.account)}:
        return _reason("Label must be unique among your linodes", "label")
    if shape.stock <= 0:
        return _reason("The requested plan is currently unavailable in this region.", "type")
    kept = {name: value for name, value in wanted.items() if name != "root_pass"}
    return answer(_instance(call, vms.rent(call, SLUG, shape, kept, label=wanted.get("label") or "")))


async def _list(call: Call) -> Response:
    return _paged(call, [_instance(call, one) for one in call.world.running(SLUG, call.account)])


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _refuse(404) if instance is None else answer(_instance(call, instance))


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _refuse(404)
    call.world.end(instance)
    return answer({})


_refuse = refusing(lambda status, message: {"errors": [{"reason": message}]})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v4/linode/types", "list", _types, needs_key=False),
        Operation("GET", "/v4/regions/availability", "list", _availability, needs_key=False),
        Operation("POST", "/v4/linode/instances", "create", _create),
        Operation("GET", "/v4/linode/instances", "find", _list),
        Operation("GET", "/v4/linode/instances/{id}", "get", _get),
        Operation("DELETE", "/v4/linode/instances/{id}", "end", _end),
    ),
    refuse=_refuse,
    rows_of=in_list("data"),
    account=bearer_account(SLUG),
)
