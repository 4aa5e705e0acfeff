"""Verda: an OAuth token, instance types, availability, locations. Wire format: PyPI verda 1.25.0."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.keys import CUSTOMER, PLATFORM, account_of_client
from infra.local.providers.service import Call, Operation, Service, answer
from infra.local.providers.world import Rented, Shape, chance, on_demand_of, spot_of

SLUG = "verda"

_LOCATIONS = {"FIN-01": "FI", "FIN-02": "FI", "FIN-03": "FI", "ICE-01": "IS"}
_TOKENS = {account: f"local-verda-token-{account}" for account in (PLATFORM, CUSTOMER)}
_LETTER = {"SXM4": "S", "SXM5": "S", "SXM6": "S"}


def stock() -> list[Shape]:
    shapes = []
    for price in on_demand_of(SLUG):
        for gpus in (1, 2, 4, 8):
            model = price.gpu.replace("RTX ", "").replace(" ", "")
            cores = 30 * gpus
            letter = _LETTER.get(price.form or "", "")
            name = f"{gpus}{model.upper()}.{f'{price.vram_gb * gpus}{letter}.' if letter else ''}{cores}V"
            shapes += [
                Shape(
                    key=f"{name}/{location}",
                    gpu=price.gpu,
                    form=price.form,
                    gpus=gpus,
                    vram_gb=price.vram_gb,
                    usd=price.usd_per_gpu_hour,
                    spot_usd=spot_of(price),
                    region=location,
                    stock=int(6 * chance(SLUG, name, location)),
                    group=name,
                    vcpus=cores,
                    ram_gb=120 * gpus,
                    details={"name": name, "model": f"{price.gpu} {price.vram_gb}GB"},
                )
                for location in _LOCATIONS
            ]
    return shapes


async def _token(call: Call) -> Response:
    wanted = await call.json()
    account = account_of_client(wanted) if isinstance(wanted, dict) else None
    if account is None or wanted.get("grant_type") != "client_credentials":
        return answer({"code": "unauthorized_request", "message": "Invalid client id or client secret"}, 401)
    return answer({"access_token": _TOKENS[account], "expires_in": 3600, "token_type": "Bearer", "scope": "fullAccess"})


async def _types(call: Call) -> Response:
    rows: dict[str, Any] = {}
    for shape in call.world.shapes[SLUG].values():
        title = f"{shape.gpus}x {shape.gpu}{f' {shape.form}' if shape.form else ''} {shape.vram_gb}GB"
        rows[shape.group] = {
            "id": f"{int(chance('verda', shape.group) * 2**52):013x}",
            "instance_type": shape.details["name"],
            "price_per_hour": f"{shape.hourly():f}",
            "spot_price": f"{shape.hourly(spot=True):f}" if shape.spot_usd is not None else None,
            "description": f"Dedicated {title}",
            "cpu": {"description": f"{int(shape.vcpus)} CPU", "number_of_cores": int(shape.vcpus)},
            "gpu": {"description": title, "number_of_gpus": shape.gpus},
            "memory": {"description": f"{int(shape.ram_gb)}GB RAM", "size_in_gigabytes": int(shape.ram_gb)},
            "gpu_memory": {
                "description": f"{shape.vram_gb * shape.gpus}GB GPU RAM",
                "size_in_gigabytes": shape.vram_gb * shape.gpus,
            },
            "storage": {"description": "dynamic"},
            "model": shape.details["model"],
            "currency": "usd",
            "manufacturer": "NVIDIA",
        }
    return answer(list(rows.values()))


async def _availability(call: Call) -> Response:
    spot = call.request.query_params.get("isSpot", "false").lower() == "true"
    found: dict[str, list[str]] = {location: [] for location in _LOCATIONS}
    for shape in call.world.shapes[SLUG].values():
        if shape.stock > (2 if spot else 0):
            found[shape.region].append(shape.details["name"])
    return answer([{"location_code": location, "availabilities": names} for location, names in found.items()])


async def _locations(call: Call) -> Response:
    del call
    return answer(
        [{"code": code, "name": f"{country} {code}", "country_code": country} for code, country in _LOCATIONS.items()]
    )


def _instance(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    status = "running" if booted >= 1 else "provisioning" if booted > 0.3 else "ordered"
    return {
        "id": instance.instance_id,
        "hostname": instance.label,
        "description": instance.label,
        "status": "error" if instance.broken else status,
        "ip": call.world.address_of(instance) if booted > 0.6 else None,
        "location": shape.region if shape else None,
        "instance_type": shape.details["name"] if shape else None,
        "price_per_hour": instance.usd_per_hour,
        "is_spot": False,
        "ssh_key_ids": instance.request.get("ssh_key_ids", []),
        "startup_script_id": instance.request.get("startup_script_id"),
    }


def _no(code: str, message: str, status: int = 400) -> Response:
    return answer({"code": code, "message": message}, status)


def _text(value: str) -> Response:
    """What was made is answered with its bare id."""
    return Response(value, 202, media_type="text/plain")


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    shape = vms.shape_of(call, SLUG, wanted.get("instance_type"), wanted.get("location_code"))
    known = vms.keys_of(call, SLUG)
    needed = {*wanted.get("ssh_key_ids", ()), *filter(None, [wanted.get("startup_script_id")])}
    if shape is None or not wanted.get("image") or not wanted.get("hostname") or not needed <= set(known):
        return _no("invalid_request", "instance_type, location_code, image, hostname, key or script is not known")
    if shape.stock <= 0:
        return _no("no_capacity", "Not enough resources for this instance type in this location")
    return _text(vms.rent(call, SLUG, shape, wanted, label=wanted["hostname"], uuid=True).instance_id)


async def _list(call: Call) -> Response:
    return answer([_instance(call, one) for one in call.world.running(SLUG, call.account)])


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _refuse(404) if instance is None else answer(_instance(call, instance))


async def _act(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    instance = call.world.instance(SLUG, call.account, str(wanted.get("id")))
    if instance is None or instance.ended_at is not None:
        return _refuse(404)
    if wanted.get("action") != "delete":
        return _no("invalid_request", "action is not known")
    call.world.end(instance)
    return Response(status_code=202)


async def _keys(call: Call) -> Response:
    kept = vms.keys_of(call, SLUG)
    return answer([{"id": name, "key": text} for name, text in kept.items() if vms.is_key(text)])


async def _add_key(call: Call) -> Response:
    wanted = await call.json()
    if not isinstance(wanted, dict) or not vms.is_key(wanted.get("key")):
        return _no("invalid_request", "key is no OpenSSH line")
    return _kept(call, wanted["key"])


async def _add_script(call: Call) -> Response:
    wanted = await call.json()
    if not isinstance(wanted, dict) or not wanted.get("name") or not str(wanted.get("script")).startswith("#!"):
        return _no("invalid_request", "name and script are needed")
    return _kept(call, wanted["script"])


def _kept(call: Call, text: str) -> Response:
    made = vms.uuid_of(SLUG, call.account, text)
    vms.keys_of(call, SLUG)[made] = text
    call.world.save()
    return _text(made)


async def _drop_scripts(call: Call) -> Response:
    wanted = await call.json()
    for name in wanted.get("scripts", ()) if isinstance(wanted, dict) else ():
        vms.keys_of(call, SLUG).pop(name, None)
    call.world.save()
    return Response(status_code=200)


def _account(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    if not header:
        return ""
    token = header.removeprefix("Bearer ")
    return next((account for account, known in _TOKENS.items() if known == token), None)


def _refuse(status: int) -> Response:
    codes = {
        401: ("unauthorized_request", "Access token is missing or invalid"),
        429: ("too_many_requests", "Too many requests"),
    }
    code, message = codes.get(status, ("server_error", "Internal server error"))
    return answer({"code": code, "message": message}, status)


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("POST", "/v1/oauth2/token", "token", _token, needs_key=False),
        Operation("GET", "/v1/instance-types", "list", _types),
        Operation("GET", "/v1/instance-availability", "list", _availability),
        Operation("GET", "/v1/locations", "list", _locations),
        Operation("POST", "/v1/instances", "create", _create),
        Operation("GET", "/v1/instances", "find", _list),
        Operation("PUT", "/v1/instances", "end", _act),
        Operation("GET", "/v1/instances/{id}", "get", _get),
        Operation("GET", "/v1/sshkeys", "keys", _keys),
        Operation("POST", "/v1/sshkeys", "keys", _add_key),
        Operation("POST", "/v1/scripts", "keys", _add_script),
        Operation("DELETE", "/v1/scripts", "keys", _drop_scripts),
    ),
    refuse=_refuse,
    rows_of=lambda told: [told] if isinstance(told, list) else [],
    account=_account,
)
