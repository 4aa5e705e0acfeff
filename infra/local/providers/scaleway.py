"""Scaleway: server types by zone, in EUR. Wire format: recorded answers in scaleway/scaleway-cli."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.machines import priced_in, stocked
from infra.local.providers.service import Call, Operation, Service, answer, cut, header_account, in_list, refusing
from infra.local.providers.world import Rented, Shape

SLUG = "scaleway"

_ZONES = ("fr-par-2", "fr-par-1", "nl-ams-1", "pl-waw-2", "pl-waw-3")
_GIB = 1024**3
_PATH = "/instance/v1/zones/{zone}/products/servers"


def stock() -> list[Shape]:
    return stocked(SLUG, _ZONES)


def _product(shape: Shape) -> dict[str, Any]:
    hourly = float(priced_in("EUR", shape.hourly()))
    name = f"{shape.gpu.replace(' ', '-')}{f'-{shape.form}' if shape.form == 'PCIe' else ''}"
    return {
        "alt_names": [],
        "arch": "x86_64",
        "ncpus": int(shape.vcpus),
        "ram": int(shape.ram_gb * _GIB),
        "gpu": shape.gpus,
        "gpu_info": {
            "gpu_manufacturer": "NVIDIA",
            "gpu_name": f"{shape.gpu}-SXM" if (shape.form or "").startswith("SXM") else name,
            "gpu_memory": shape.vram_gb * _GIB,
        },
        "hourly_price": hourly,
        "monthly_price": round(hourly * 730, 2),
        "end_of_service": False,
    }


def _word(shape: Shape) -> str:
    return "shortage" if shape.stock <= 0 else "scarce" if shape.stock < 2 else "available"


def _here(call: Call) -> list[Shape]:
    zone = call.request.path_params["zone"]
    return [shape for shape in call.world.shapes[SLUG].values() if shape.region == zone]


async def _products(call: Call) -> Response:
    rows, _, _ = cut(_here(call), call, size="per_page", default=50, most=100)
    servers: dict[str, Any] = {shape.details["name"]: _product(shape) for shape in rows}
    if servers:
        servers["DEV1-S"] = {"arch": "x86_64", "ncpus": 2, "ram": 2 * _GIB, "gpu": 0, "gpu_info": None,
                             "hourly_price": 0.0088, "monthly_price": 6.42, "end_of_service": False}  # fmt: skip
    return answer({"servers": servers})


async def _availability(call: Call) -> Response:
    rows, _, _ = cut(_here(call), call, size="per_page", default=50, most=100)
    return answer({"servers": {shape.details["name"]: {"availability": _word(shape)} for shape in rows}})


_SERVERS = "/instance/v1/zones/{zone}/servers"


def _server(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    on = instance.request.get("on", True)
    state = "stopped" if not on or instance.broken else "running" if booted >= 1 else "starting"
    return {
        "id": instance.instance_id.rpartition(":")[2],
        "name": instance.label,
        "state": state,
        "zone": shape.region if shape else None,
        "commercial_type": shape.details["name"] if shape else None,
        "public_ip": {"address": call.world.address_of(instance)} if on and booted >= 0.5 else None,
        "volumes": {"0": {"id": instance.request.get("volume"), "volume_type": "sbs_volume"}},
        "tags": instance.request.get("tags", []),
        "project": instance.request.get("project"),
    }


def _mine(call: Call) -> Rented | None:
    asked = call.request.path_params
    for name in (f"{asked['zone']}:{asked['id']}", asked["id"]):
        found = call.world.instance(SLUG, call.account, name)
        if found is not None and found.ended_at is None:
            return found
    return None


def _no(kind: str, message: str, status: int) -> Response:
    return answer({"type": kind, "message": message}, status)


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    zone = call.request.path_params["zone"]
    shape = vms.shape_of(call, SLUG, wanted.get("commercial_type"), zone)
    if shape is None or not wanted.get("image") or not wanted.get("name"):
        return _no("invalid_arguments", "commercial_type, image and name are needed", 400)
    if shape.stock <= 0:
        return _no("out_of_stock", "the commercial type is out of stock in this zone", 409)
    serial = call.world.next_serial()
    made = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=f"{zone}:{vms.uuid_of(SLUG, serial)}",
        label=wanted["name"],
        usd_per_hour=shape.hourly(),
        request={**wanted, "on": False, "volume": vms.uuid_of("volume", serial)},
    )
    return answer({"server": _server(call, made)}, 201)


async def _user_data(call: Call) -> Response:
    instance = _mine(call)
    if instance is None:
        return _refuse(404)
    instance.request["cloud-init"] = (await call.request.body()).decode()
    call.world.save()
    return Response(status_code=204)


async def _act(call: Call) -> Response:
    instance = _mine(call)
    wanted = await call.json()
    if instance is None:
        return _refuse(404)
    match wanted.get("action") if isinstance(wanted, dict) else None:
        case "poweron":
            now = call.world.clock()
            instance.request["on"], instance.broken = True, False
            instance.created_at, instance.boots_at = now, now + call.world.boot_seconds
            call.world.save()
        case "terminate" if instance.request.get("on", True) and not instance.broken:
            instance.request["volume"] = None
            call.world.end(instance)
        case _:
            return _no("resource_not_usable", "the server is not in a state for that action", 400)
    return answer({"task": {"id": vms.uuid_of("task", instance.instance_id), "status": "pending"}}, 202)


async def _drop(call: Call) -> Response:
    instance = _mine(call)
    if instance is None:
        return _refuse(404)
    if _server(call, instance)["state"] != "stopped":
        return _no("resource_still_in_use", "the server must be stopped", 400)
    call.world.end(instance)
    return Response(status_code=204)


async def _drop_volume(call: Call) -> Response:
    owner = next(
        (one for one in call.world.instances.values() if one.request.get("volume") == call.request.path_params["id"]),
        None,
    )
    if owner is None or owner.account != call.account:
        return _refuse(404)
    if owner.ended_at is None:
        return _no("resource_still_in_use", "the volume is attached", 400)
    owner.request["volume"] = None
    call.world.save()
    return Response(status_code=204)


async def _list(call: Call) -> Response:
    zone = call.request.path_params["zone"]
    here = [
        one
        for one in call.world.running(SLUG, call.account)
        if (shape := call.world.shape_of(one)) and shape.region == zone
    ]
    rows, _, _ = cut([_server(call, one) for one in here], call, size="per_page", default=50, most=100)
    return answer({"servers": rows})


async def _get(call: Call) -> Response:
    instance = _mine(call)
    return _refuse(404) if instance is None else answer({"server": _server(call, instance)})


_refuse = refusing(lambda status, message: {"type": "denied_authentication", "message": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", _PATH, "list", _products),
        Operation("GET", f"{_PATH}/availability", "list", _availability),
        Operation("POST", _SERVERS, "create", _create),
        Operation("GET", _SERVERS, "find", _list),
        Operation("GET", f"{_SERVERS}/{{id}}", "get", _get),
        Operation("POST", f"{_SERVERS}/{{id}}/action", "end", _act),
        Operation("DELETE", f"{_SERVERS}/{{id}}", "end", _drop),
        Operation("DELETE", "/block/v1/zones/{zone}/volumes/{id}", "end", _drop_volume),
        Operation("PATCH", f"{_SERVERS}/{{id}}/user_data/cloud-init", "keys", _user_data),
    ),
    refuse=_refuse,
    rows_of=in_list("servers"),
    account=header_account(SLUG, "x-auth-token"),
)
