"""Vultr: cloud plans, bare metal, and what is free where. Wire format: vultr/govultr."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, in_list, refusing
from infra.local.providers.world import Rented, Shape

SLUG = "vultr"

_REGIONS = ("ewr", "ord", "lax", "ams", "fra", "lhr", "sgp", "nrt", "blr", "syd")


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


def _plan(shape: Shape, places: list[str]) -> dict[str, Any]:
    hourly = float(shape.hourly())
    common = {
        "id": shape.details["name"],
        "ram": int(shape.ram_gb * 1024),
        "disk": int(shape.disk_gb),
        "disk_count": 1,
        "bandwidth": 10_240,
        "monthly_cost": round(hourly * 730, 2),
        "hourly_cost": hourly,
        "locations": places,
    }
    if shape.details["name"].startswith("vbm-"):
        return common | {"type": "SSD", "cpu_count": int(shape.vcpus) // 2, "cpu_threads": int(shape.vcpus)}
    return common | {
        "type": "vcg",
        "vcpu_count": int(shape.vcpus),
        "gpu_vram_gb": shape.vram_gb * shape.gpus,
        "gpu_type": f"NVIDIA_{shape.gpu}",
    }


def _plans(call: Call, name: str, prefix: str) -> Response:
    shapes: dict[str, Shape] = {}
    places: dict[str, list[str]] = {}
    for shape in call.world.shapes[SLUG].values():
        if shape.details["name"].startswith(prefix):
            shapes[shape.group] = shape
            places.setdefault(shape.group, []).append(shape.region)
    rows = [_plan(shape, places[name]) for name, shape in shapes.items()]
    asked = call.request.query_params
    size, begin = int(asked.get("per_page", 100)), int(asked.get("cursor") or 0)
    following = str(begin + size) if begin + size < len(rows) else ""
    meta = {"total": len(rows), "links": {"next": following, "prev": ""}}
    return answer({name: rows[begin : begin + size], "meta": meta})


async def _cloud(call: Call) -> Response:
    return _plans(call, "plans", "vcg-")


async def _metal(call: Call) -> Response:
    return _plans(call, "plans_metal", "vbm-")


async def _availability(call: Call) -> Response:
    region = call.request.path_params["region"]
    free = [one.details["name"] for one in call.world.shapes[SLUG].values() if one.region == region and one.stock > 0]
    return answer({"available_plans": free})


def _instance(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    status, power, server = ("pending", "stopped", "none")
    if booted > 0.3:
        status, power, server = ("active", "running", "installingbooting")
    if booted >= 1:
        server = "ok"
    if instance.broken:
        status, power, server = ("active", "stopped", "ok")
    return {
        "id": instance.instance_id,
        "label": instance.label,
        "status": status,
        "power_status": power,
        "server_status": server,
        "main_ip": call.world.address_of(instance) if booted > 0.3 else "0.0.0.0",
        "region": shape.region if shape else None,
        "plan": shape.details["name"] if shape else None,
        "os_id": instance.request.get("os_id"),
    }


def _error(message: str) -> Response:
    return answer({"error": message, "status": 400}, 400)


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    shape = vms.shape_of(call, SLUG, wanted.get("plan"), wanted.get("region"))
    if shape is None or not wanted.get("os_id"):
        return _error("Invalid plan, region or os_id.")
    if not set(wanted.get("sshkey_id", ())) <= set(vms.keys_of(call, SLUG)):
        return _error("Invalid sshkey_id.")
    if shape.stock <= 0:
        return _error("Plan is not available in the selected region.")
    made = vms.rent(call, SLUG, shape, wanted, label=wanted.get("label") or "", uuid=True)
    return answer({"instance": _instance(call, made) | {"default_password": "v5{Fkvb#2ycPGwHs"}}, 202)


async def _list(call: Call) -> Response:
    rows = [_instance(call, one) for one in call.world.running(SLUG, call.account)]
    return answer({"instances": rows, "meta": {"total": len(rows), "links": {"next": "", "prev": ""}}})


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _refuse(404) if instance is None else answer({"instance": _instance(call, instance)})


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _refuse(404)
    call.world.end(instance)
    return Response(status_code=204)


async def _keys(call: Call) -> Response:
    rows = [{"id": key_id, "ssh_key": text} for key_id, text in vms.keys_of(call, SLUG).items()]
    return answer({"ssh_keys": rows, "meta": {"total": len(rows), "links": {"next": "", "prev": ""}}})


async def _add_key(call: Call) -> Response:
    wanted = await call.json()
    text = wanted.get("ssh_key") if isinstance(wanted, dict) else None
    if not vms.is_key(text):
        return _error("Invalid SSH key.")
    key_id = vms.uuid_of("key", SLUG, call.account, text)
    vms.keys_of(call, SLUG)[key_id] = str(text)
    call.world.save()
    return answer({"ssh_key": {"id": key_id, "name": wanted.get("name"), "ssh_key": text}}, 201)


_refuse = refusing(lambda status, message: {"error": message, "status": status})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v2/plans", "list", _cloud, needs_key=False),
        Operation("GET", "/v2/plans-metal", "list", _metal, needs_key=False),
        Operation("GET", "/v2/regions/{region}/availability", "list", _availability, needs_key=False),
        Operation("POST", "/v2/instances", "create", _create),
        Operation("GET", "/v2/instances", "find", _list),
        Operation("GET", "/v2/instances/{id}", "get", _get),
        Operation("DELETE", "/v2/instances/{id}", "end", _end),
        Operation("GET", "/v2/ssh-keys", "keys", _keys),
        Operation("POST", "/v2/ssh-keys", "keys", _add_key),
    ),
    refuse=_refuse,
    rows_of=in_list("plans", "plans_metal"),
    account=bearer_account(SLUG),
)
