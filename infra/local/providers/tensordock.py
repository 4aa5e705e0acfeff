"""TensorDock: locations with their GPUs, and instances. Wire format: acaracappa/cloud-gpu-shopper.

It refuses as the real one does: a create without capacity is 200 with an error in its body, and so is a look at an
instance that is gone.
"""

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.keys import account_of
from infra.local.providers.service import Call, Operation, Service, answer, refusing
from infra.local.providers.world import ListPrice, Rented, Shape, chance, pick, shapes_of

SLUG = "tensordock"

_LOCATIONS = {
    "1a779525-4c04-4f2c-aa45-58b47d54bb38": ("Chubbuck", "Idaho", "United States"),
    "2f0c21d8-7c1e-4b63-9d0a-6b0e6f4c1a11": ("Dallas", "Texas", "United States"),
    "3b9d5a7e-1f42-4c8e-8a57-0d9c2e7b5f22": ("Wilmington", "Delaware", "United States"),
    "4c8e6b9f-2a53-4d9f-9b68-1e0d3f8c6a33": ("Manchester", "England", "United Kingdom"),
    "5d9f7ca0-3b64-4ea0-ac79-2f1e4a9d7b44": ("Warsaw", "Masovian", "Poland"),
    "6ea08db1-4c75-4fb1-bd8a-3a2f5bae8c55": ("Mumbai", "Maharashtra", "India"),
}
# What the parts of a machine cost beside its GPUs, made up: USD per unit and hour.
_PARTS = ("0.003", "0.002", "0.00005")


def _name(price: ListPrice) -> str:
    family = "geforcertx" if price.gpu.startswith("RTX 3") or price.gpu.startswith("RTX 4") else ""
    model = price.gpu.removeprefix("RTX ").replace(" ", "").lower() if family else price.gpu.replace(" ", "").lower()
    return f"{family}{model}-{(price.form or 'PCIe').lower()}-{price.vram_gb}gb"


def _title(shape: Shape) -> str:
    maker = "NVIDIA GeForce" if shape.details["v0"].startswith("geforce") else "NVIDIA"
    return f"{maker} {shape.gpu} {shape.form or 'PCIe'} {shape.vram_gb}GB"


def stock() -> list[Shape]:
    """One shape per location, GPU and count; those of a GPU at a location come out of one pool."""
    shapes = shapes_of(SLUG, lambda price, gpus: f"{gpus}x {_name(price)}", _LOCATIONS, disk_gb=100)
    for shape in shapes:
        v0 = shape.details["name"].partition(" ")[2]
        shape.details |= {"v0": v0, "parts": pick((_PARTS, ("0.0045", "0.0025", "0.00008")), SLUG, shape.region)}
        shape.stock = int(11 * chance(SLUG, v0, shape.region)) // shape.gpus
        shape.vcpus, shape.ram_gb = 8 * shape.gpus, 32 * shape.gpus
    return shapes


async def _list(call: Call) -> Response:
    account = account_of(SLUG, call.request.query_params.get("api_key", ""))
    if account is None or account != account_of(SLUG, call.request.query_params.get("api_token", "")):
        return _refuse(401)
    locations: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        city, state, country = _LOCATIONS[shape.region]
        location = locations.setdefault(
            shape.region,
            {"id": shape.region, "city": city, "stateprovince": state, "country": country, "tier": 3, "gpus": {}},
        )
        cores, memory, storage = (float(part) for part in shape.details["parts"])
        gpu = location["gpus"].setdefault(
            shape.details["v0"],
            {
                "v0Name": shape.details["v0"],
                "displayName": _title(shape),
                "max_count": 0,
                "price_per_hr": float(shape.usd),
                "resources": {"max_vcpus": 128, "max_ram_gb": 512, "max_storage_gb": 3000},
                "network_features": {"dedicated_ip_available": True, "port_forwarding_available": True},
                "pricing": {"per_vcpu_hr": cores, "per_gb_ram_hr": memory, "per_gb_storage_hr": storage},
            },
        )
        if shape.stock > 0:
            gpu["max_count"] = max(gpu["max_count"], shape.gpus)
    rows = [{**location, "gpus": list(location["gpus"].values())} for location in locations.values()]
    return answer({"data": {"locations": rows}})


def _parts_of(shape: Shape, cores: int, memory: int, storage: int) -> Decimal:
    each = [Decimal(part) for part in shape.details["parts"]]
    return each[0] * cores + each[1] * memory + each[2] * storage


async def _create(call: Call) -> Response:
    wanted = await call.json()
    told = wanted["data"]["attributes"] if isinstance(wanted, dict) and isinstance(wanted.get("data"), dict) else {}
    resources = told.get("resources") or {}
    [(v0, gpus)] = (resources.get("gpus") or {"": {}}).items()
    shape = next(
        (
            one
            for one in call.world.shapes[SLUG].values()
            if (one.region, one.details["v0"], one.gpus) == (told.get("location_id"), v0, gpus.get("count"))
        ),
        None,
    )
    if shape is None or not told.get("name") or not told.get("ssh_key") or resources.get("storage_gb", 0) < 100:
        return answer([{"code": "invalid_type", "message": "Invalid attributes", "path": ["data"]}], 400)
    if not told.get("useDedicatedIp"):
        return _in_body(400, "SSH port (22) must be forwarded for Ubuntu VMs")
    if shape.stock <= 0:
        return _in_body(400, "No available nodes found")
    parts = _parts_of(shape, resources["vcpu_count"], resources["ram_gb"], resources["storage_gb"])
    serial = call.world.next_serial()
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=vms.uuid_of(SLUG, serial),
        label=told["name"],
        usd_per_hour=shape.hourly() + parts,
        request=told,
    )
    made = {"type": "virtualmachine", "id": instance.instance_id, "name": instance.label, "status": "creating"}
    return answer({"data": made}, 201)


def _in_body(status: int, error: str) -> Response:
    """An error that comes as a success."""
    return answer({"status": status, "error": error})


def _status(call: Call, instance: Rented) -> str:
    return "error" if instance.broken else "running" if call.world.booted(instance) >= 1 else "creating"


async def _find(call: Call) -> Response:
    rows = [
        {
            "id": one.instance_id,
            "name": one.label,
            "status": _status(call, one),
            "price_per_hour": float(one.usd_per_hour),
        }
        for one in call.world.running(SLUG, call.account)
    ]
    return answer({"data": rows})


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _in_body(404, "Instance not found")
    return answer(
        {
            "type": "virtualmachine",
            "id": instance.instance_id,
            "name": instance.label,
            "status": _status(call, instance),
            "ipAddress": call.world.address_of(instance) if call.world.booted(instance) >= 0.5 else "",
            "portForwards": [],
            "rateHourly": float(instance.usd_per_hour),
        }
    )


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _refuse(404)
    call.world.end(instance)
    return answer({"data": {"id": instance.instance_id, "status": "deleted"}})


def _rows_of(told: Any) -> list[Any]:
    data = told.get("data") if isinstance(told, dict) else None
    return (
        [location["gpus"] for location in data["locations"]] if isinstance(data, dict) and "locations" in data else []
    )


def _account(request: Request) -> str | None:
    """A bearer token; the list, which takes its key in the query, looks at that itself."""
    header = request.headers.get("authorization", "")
    return account_of(SLUG, header.removeprefix("Bearer ")) if header else ""


_refuse = refusing(lambda _, message: {"status": 400, "error": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/api/v2/locations", "list", _list, needs_key=False),
        Operation("POST", "/api/v2/instances", "create", _create),
        Operation("GET", "/api/v2/instances", "find", _find),
        Operation("GET", "/api/v2/instances/{id}", "get", _get),
        Operation("DELETE", "/api/v2/instances/{id}", "end", _end),
    ),
    refuse=_refuse,
    rows_of=_rows_of,
    account=_account,
)
