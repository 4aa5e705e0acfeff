"""Lambda Cloud: instance types, SSH keys, instances. Wire format: the official OpenAPI document 1.10.0."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account
from infra.local.providers.world import Rented, Shape, World, chance, on_demand_of

SLUG = "lambdalabs"

_REGIONS = {
    "us-east-1": "Virginia, USA",
    "us-south-1": "Texas, USA",
    "us-south-2": "North Texas, USA",
    "us-south-3": "Central Texas, USA",
    "us-midwest-1": "Illinois, USA",
    "us-west-1": "California, USA",
    "us-west-2": "Arizona, USA",
    "us-west-3": "Utah, USA",
    "europe-central-1": "Germany",
    "asia-northeast-1": "Osaka, Japan",
    "asia-south-1": "India",
    "me-west-1": "Israel",
    "australia-east-1": "Sydney, Australia",
}
_EIGHT = {"SXM4", "SXM5", "SXM6"}


def stock() -> list[Shape]:
    shapes = []
    for price in on_demand_of(SLUG):
        form = (price.form or "").lower()
        for gpus in (1, 2, 4, 8) if price.form in _EIGHT else (1,):
            memory = f"_{price.vram_gb}gb" if price.gpu == "A100" and price.vram_gb == 80 else ""
            model = price.gpu.removeprefix("RTX ").removeprefix("Quadro ").lower().replace(" ", "")
            name = f"gpu_{gpus}x_{model}{memory}" + (f"_{form}" if form else "")
            for region in _REGIONS:
                seed = (SLUG, name, region)
                shapes.append(
                    Shape(
                        key=f"{name}/{region}",
                        gpu=price.gpu,
                        form=price.form,
                        gpus=gpus,
                        vram_gb=price.vram_gb,
                        usd=price.usd_per_gpu_hour,
                        region=region,
                        stock=int(9 * chance(*seed)) if chance(*seed, "here") < 0.45 else 0,
                        group=name,
                        vcpus=(price.vcpus or 26) * gpus,
                        ram_gb=(price.ram_gb or 225) * gpus,
                        disk_gb=2816 * gpus,
                        details={"name": name, "title": _title(price.gpu, price.form, price.vram_gb)},
                    )
                )
    return shapes


def _title(gpu: str, form: str | None, vram_gb: int) -> str:
    return f"{gpu.removeprefix('Quadro ')} ({vram_gb} GB{f' {form}' if form else ''})"


def _type(shape: Shape) -> dict[str, Any]:
    return {
        "name": shape.details["name"],
        "description": f"{shape.gpus}x {shape.details['title']}",
        "gpu_description": shape.details["title"],
        "price_cents_per_hour": int(shape.hourly() * 100),
        "specs": {
            "vcpus": int(shape.vcpus),
            "memory_gib": int(shape.ram_gb),
            "storage_gib": int(shape.disk_gb),
            "gpus": shape.gpus,
        },
    }


def _region(name: str) -> dict[str, str]:
    return {"name": name, "description": _REGIONS[name]}


async def _list(call: Call) -> Response:
    types: dict[str, Any] = {}
    for shape in call.world.shapes[SLUG].values():
        entry = types.setdefault(
            shape.details["name"], {"instance_type": _type(shape), "regions_with_capacity_available": []}
        )
        if shape.stock > 0:
            entry["regions_with_capacity_available"].append(_region(shape.region))
    return answer({"data": types})


def _error(status: int, code: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message, "suggestion": "See the documentation."}}, status)


async def _launch(call: Call) -> Response:
    wanted = await call.json()
    if not isinstance(wanted, dict) or len(wanted.get("ssh_key_names") or ()) != 1:
        return _error(400, "global/invalid-parameters", "Exactly one SSH key is needed.")
    if wanted["ssh_key_names"][0] not in call.world.keys.get((SLUG, call.account), {}):
        return _error(400, "global/invalid-parameters", "No such SSH key.")
    shape = call.world.shapes[SLUG].get(f"{wanted.get('instance_type_name')}/{wanted.get('region_name')}")
    if shape is None:
        return _error(400, "global/invalid-parameters", "No such instance type or region.")
    if shape.stock <= 0:
        message = "Not enough capacity to fulfill launch request."
        return _error(400, "instance-operations/launch/insufficient-capacity", message)
    serial = call.world.next_serial()
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=f"{int(chance('lambda', serial) * 2**52):013x}{serial:019x}",
        label=wanted.get("name") or "",
        usd_per_hour=shape.hourly(),
        request=wanted,
    )
    return answer({"data": {"instance_ids": [instance.instance_id]}})


def _instance(world: World, instance: Rented) -> dict[str, Any]:
    shape = world.shape_of(instance)
    booted = world.booted(instance)
    status = "unhealthy" if instance.broken else "booting" if booted < 1 else "active"
    address = world.address_of(instance)
    return {
        "id": instance.instance_id,
        "name": instance.label or None,
        "status": "terminated" if instance.ended_at is not None else status,
        # The address comes a little before the machine is up.
        "ip": address if booted >= 0.7 else None,
        "hostname": f"{address.replace('.', '-')}.cloud.lambda.ai" if booted >= 0.7 else None,
        "ssh_key_names": instance.request.get("ssh_key_names", []),
        "region": _region(shape.region) if shape else None,
        "instance_type": _type(shape) if shape else None,
        "jupyter_url": f"https://jupyter-{instance.instance_id}.lambdaspaces.com/?token={instance.instance_id[:12]}"
        if booted >= 1
        else None,
        "is_reserved": False,
    }


def _mine(call: Call, instance_id: str) -> Rented | None:
    found = call.world.instance(SLUG, call.account, instance_id)
    # A terminated instance is shown for a little while, then forgotten.
    if found is None or (found.ended_at is not None and call.world.clock() - found.ended_at > 60):
        return None
    return found


async def _get(call: Call) -> Response:
    instance = _mine(call, call.request.path_params["id"])
    if instance is None:
        return _error(404, "global/object-does-not-exist", "Specified instance does not exist.")
    return answer({"data": _instance(call.world, instance)})


async def _find(call: Call) -> Response:
    return answer({"data": [_instance(call.world, one) for one in call.world.running(SLUG, call.account)]})


async def _end(call: Call) -> Response:
    wanted = await call.json()
    ids = wanted.get("instance_ids") if isinstance(wanted, dict) else None
    found = [_mine(call, one) for one in ids or ()]
    live = [one for one in found if one is not None]
    if not live or len(live) != len(found):
        return _error(404, "global/object-does-not-exist", "Specified instance does not exist.")
    for instance in live:
        call.world.end(instance)
    return answer({"data": {"terminated_instances": [_instance(call.world, one) for one in live]}})


async def _keys(call: Call) -> Response:
    keys = call.world.keys.get((SLUG, call.account), {})
    return answer({"data": [_key(name, public_key) for name, public_key in keys.items()]})


def _key(name: str, public_key: str) -> dict[str, str]:
    return {"id": f"{int(chance('key', name) * 2**52):032x}", "name": name, "public_key": public_key}


async def _add_key(call: Call) -> Response:
    wanted = await call.json()
    keys = call.world.keys.setdefault((SLUG, call.account), {})
    if (
        not isinstance(wanted, dict)
        or not wanted.get("name")
        or not str(wanted.get("public_key", "")).startswith("ssh-")
    ):
        return _error(400, "global/invalid-parameters", "name and public_key are needed.")
    if wanted["name"] in keys:
        return _error(400, "global/duplicate", "A key of this name exists.")
    keys[wanted["name"]] = wanted["public_key"]
    call.world.save()
    return answer({"data": _key(wanted["name"], wanted["public_key"])})


def _refuse(status: int) -> Response:
    codes = {
        401: ("global/invalid-api-key", "API key was invalid, expired, or deleted."),
        403: ("global/account-inactive", "Your account is inactive."),
        404: ("global/object-does-not-exist", "Specified object does not exist."),
        429: ("global/too-many-requests", "Too many requests."),
    }
    return _error(status, *codes.get(status, ("global/unknown", "An unknown error occurred.")))


def _rows_of(told: Any) -> list[Any]:
    return [told["data"]] if isinstance(told.get("data"), dict | list) else []


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/api/v1/instance-types", "list", _list),
        Operation("POST", "/api/v1/instance-operations/launch", "create", _launch),
        Operation("POST", "/api/v1/instance-operations/terminate", "end", _end),
        Operation("GET", "/api/v1/instances", "find", _find),
        Operation("GET", "/api/v1/instances/{id}", "get", _get),
        Operation("GET", "/api/v1/ssh-keys", "keys", _keys),
        Operation("POST", "/api/v1/ssh-keys", "keys", _add_key),
    ),
    refuse=_refuse,
    rows_of=_rows_of,
    account=bearer_account(SLUG),
    intervals={"create": 12.0, "*": 1.0},
)
