"""Hyperstack: flavors in groups by GPU and region, and a price book. Wire format: hyperstack-sdk-python."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.service import Call, Operation, Service, answer, cut, header_account
from infra.local.providers.world import Rented, Shape, chance, on_demand_of

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


def _machine(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    status = "ERROR" if instance.broken else "ACTIVE" if booted >= 1 else "BUILD" if booted > 0.3 else "CREATING"
    return {
        "id": int(instance.instance_id),
        "name": instance.label,
        "status": status,
        "environment": {"name": instance.request.get("environment_name")},
        "flavor": {"name": shape.details["name"] if shape else None},
        "fixed_ip": "10.0.0.7" if booted > 0.3 else None,
        "floating_ip": call.world.address_of(instance) if booted > 0.6 else None,
        "floating_ip_status": "ATTACHED" if booted > 0.6 else "WAITING",
    }


def _no(message: str, status: int = 400) -> Response:
    return answer({"status": False, "message": message, "error_reason": "bad_request"}, status)


_STARTING = ("CANADA-1", "NORWAY-1")
"""Every account has a default environment there and none elsewhere."""


def _known(call: Call) -> dict[str, str]:
    """What the account has, in one map: `env/<name>` to region, `key/<environment>/<name>` to an OpenSSH line."""
    kept = vms.keys_of(call, SLUG)
    for region in _STARTING:
        kept.setdefault(f"env/default-{region}", region)
    return kept


async def _environments(call: Call) -> Response:
    rows = [
        {"id": index, "name": name.removeprefix("env/"), "region": region}
        for index, (name, region) in enumerate(_known(call).items())
        if name.startswith("env/")
    ]
    return answer({"status": True, "environments": rows, "count": len(rows)})


async def _add_environment(call: Call) -> Response:
    wanted = await call.json()
    if not isinstance(wanted, dict) or wanted.get("region") not in _REGIONS or not wanted.get("name"):
        return _no("name and region are needed")
    _known(call)[f"env/{wanted['name']}"] = wanted["region"]
    call.world.save()
    return answer({"status": True, "environment": {"id": 1, "name": wanted["name"], "region": wanted["region"]}})


async def _keypairs(call: Call) -> Response:
    rows = [
        {"id": index, "name": name.split("/")[2], "environment": {"name": name.split("/")[1]}, "public_key": text}
        for index, (name, text) in enumerate(_known(call).items())
        if name.startswith("key/")
    ]
    return answer({"status": True, "keypairs": rows, "count": len(rows)})


async def _add_keypair(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    known = _known(call)
    name = f"key/{wanted.get('environment_name')}/{wanted.get('name')}"
    if f"env/{wanted.get('environment_name')}" not in known or not vms.is_key(wanted.get("public_key")):
        return _no("environment_name and public_key are needed")
    if name in known:
        return _no("Keypair name already exists.", 409)
    known[name] = wanted["public_key"]
    call.world.save()
    return answer({"status": True, "keypair": {"id": 1, "name": wanted["name"], "public_key": wanted["public_key"]}})


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    known = _known(call)
    environment = wanted.get("environment_name")
    region = known.get(f"env/{environment}")
    shape = vms.shape_of(call, SLUG, wanted.get("flavor_name"), region)
    if shape is None or not wanted.get("image_name") or f"key/{environment}/{wanted.get('key_name')}" not in known:
        return _no("environment_name, flavor_name, image_name or key_name is not known here")
    if shape.stock <= 0:
        return _no("There is not enough stock for the selected flavor.")
    made = vms.rent(call, SLUG, shape, wanted, label=wanted.get("name") or "")
    return answer({"status": True, "message": "Creating", "instances": [_machine(call, made)]})


async def _list(call: Call) -> Response:
    rows = [_machine(call, one) for one in call.world.running(SLUG, call.account)]
    found, page, _ = cut(rows, call, size="pageSize", default=10, most=100)
    return answer({"status": True, "instances": found, "count": len(rows), "page": page})


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _no("not found", 404) if instance is None else answer({"status": True, "instance": _machine(call, instance)})


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _no("not found", 404)
    call.world.end(instance)
    return answer({"status": True, "message": "Deleting"})


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
        Operation("POST", "/v1/core/virtual-machines", "create", _create),
        Operation("GET", "/v1/core/virtual-machines", "find", _list),
        Operation("GET", "/v1/core/virtual-machines/{id}", "get", _get),
        Operation("DELETE", "/v1/core/virtual-machines/{id}", "end", _end),
        Operation("GET", "/v1/core/environments", "keys", _environments),
        Operation("POST", "/v1/core/environments", "keys", _add_environment),
        Operation("GET", "/v1/core/keypairs", "keys", _keypairs),
        Operation("POST", "/v1/core/keypairs", "keys", _add_keypair),
    ),
    refuse=_refuse,
    rows_of=_rows_of,
    account=header_account(SLUG, "api_key"),
)
