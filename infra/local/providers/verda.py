"""Verda: an OAuth token, instance types, availability, locations. Wire format: PyPI verda 1.25.0."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers.keys import CUSTOMER, PLATFORM, account_of_client
from infra.local.providers.service import Call, Operation, Service, answer
from infra.local.providers.world import Shape, chance, on_demand_of, spot_of

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
    ),
    refuse=_refuse,
    rows_of=lambda told: [told] if isinstance(told, list) else [],
    account=_account,
)
