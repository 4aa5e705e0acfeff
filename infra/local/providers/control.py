"""The control API of the simulation: prices, stock, faults, instances. JSON in, JSON out, no key.

POST   /_control/prices     {provider, gpu?, region?, gpus?, key?, spot?} and one of {factor} {usd_per_gpu_hour}
POST   /_control/capacity   the same filter and {stock}: how many are free
POST   /_control/faults     {kind, provider?, operation?, count?, seconds?, status?, retry_after?, megabytes?}
GET    /_control/faults     what is switched on, and the kinds there are
DELETE /_control/faults     ?provider=: switch off
GET    /_control/instances  ?provider=&all=true: instances, the ended ones with all=true
POST   /_control/instances/{id}  {action}: vanish (a ghost: gone without our doing), break (fails), orphan
POST   /_control/orphans    {provider, account?, label?}: an instance that nobody of ours asked for
POST   /_control/settings   {boot_seconds?, rate_limits?}: true enforces the documented intervals between calls
GET    /_control/calls      how often each operation was called
GET    /_control/offers     ?provider=: what is sold now
POST   /_control/reset      everything as at the start
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.providers.faults import KINDS, Faults, as_fault
from infra.local.providers.keys import PLATFORM
from infra.local.providers.service import answer
from infra.local.providers.world import Shape, World

_FILTERS = ("key", "gpu", "region", "gpus", "form")


class Mistake(ValueError):
    """What was asked of the control API makes no sense; the text says why."""


def control_routes(world: World, faults: Faults, calls: Counter[tuple[str, str]]) -> list[Route]:
    """The routes under /_control."""

    async def prices(request: Request) -> Response:
        wanted = await _object(request)
        changed = change_prices(world, wanted)
        return answer({"changed": changed})

    async def capacity(request: Request) -> Response:
        wanted = await _object(request)
        if not isinstance(wanted.get("stock"), int):
            raise Mistake("stock: a whole number")
        found = _matching(world, wanted)
        for shape in found:
            shape.stock = wanted["stock"]
        return answer({"changed": len(found)})

    async def add_fault(request: Request) -> Response:
        try:
            faults.add(as_fault(await _object(request)))
        except TypeError as error:
            raise Mistake(str(error)) from error
        return answer({"faults": faults.shown()}, 201)

    async def show_faults(request: Request) -> Response:
        del request
        return answer({"faults": faults.shown(), "kinds": KINDS})

    async def clear_faults(request: Request) -> Response:
        faults.clear(request.query_params.get("provider", "*"))
        return answer({"faults": faults.shown()})

    async def instances(request: Request) -> Response:
        asked = request.query_params
        found = [
            {**asdict(one), "booted": world.booted(one)}
            for one in world.instances.values()
            if asked.get("provider") in (None, one.provider) and (asked.get("all") == "true" or one.ended_at is None)
        ]
        return answer({"instances": found})

    async def act(request: Request) -> Response:
        instance = world.instances.get(request.path_params["id"])
        if instance is None:
            return answer({"error": "no such instance"}, 404)
        match (await _object(request)).get("action"):
            case "vanish":
                world.end(instance)
            case "break":
                instance.broken = True
                world.save()
            case _:
                raise Mistake("action: vanish or break")
        return answer(asdict(instance))

    async def orphan(request: Request) -> Response:
        wanted = await _object(request)
        free = [shape for shape in _matching(world, wanted) if shape.stock > 0]
        if not free:
            raise Mistake("nothing of that kind is free")
        serial = world.next_serial()
        instance = world.rent(
            wanted["provider"],
            wanted.get("account", PLATFORM),
            free[0],
            instance_id=str(90_000_000 + serial),
            label=wanted.get("label", f"orphan-{serial}"),
            usd_per_hour=free[0].hourly(),
            request={},
        )
        return answer(asdict(instance), 201)

    async def settings(request: Request) -> Response:
        wanted = await _object(request)
        seconds = wanted.get("boot_seconds", world.boot_seconds)
        if not isinstance(seconds, int | float) or seconds < 0:
            raise Mistake("boot_seconds: seconds")
        limited = wanted.get("rate_limits", world.rate_limits)
        if not isinstance(limited, bool):
            raise Mistake("rate_limits: true or false")
        world.boot_seconds, world.rate_limits = float(seconds), limited
        return answer({"boot_seconds": world.boot_seconds, "rate_limits": world.rate_limits})

    async def called(request: Request) -> Response:
        del request
        found: dict[str, dict[str, int]] = {}
        for (provider, operation), number in calls.items():
            found.setdefault(provider, {})[operation] = number
        return answer(found)

    async def offers(request: Request) -> Response:
        provider = request.query_params.get("provider")
        return answer(
            {
                slug: [_shown(shape) for shape in shapes.values()]
                for slug, shapes in world.shapes.items()
                if provider in (None, slug)
            }
        )

    async def reset(request: Request) -> Response:
        del request
        faults.clear()
        calls.clear()
        world.reset()
        return answer({"reset": True})

    def route(path: str, method: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(f"/_control/{path}", _forgiving(handler), methods=[method])

    return [
        route("prices", "POST", prices),
        route("capacity", "POST", capacity),
        route("faults", "POST", add_fault),
        route("faults", "GET", show_faults),
        route("faults", "DELETE", clear_faults),
        route("instances", "GET", instances),
        route("instances/{id}", "POST", act),
        route("orphans", "POST", orphan),
        route("settings", "POST", settings),
        route("calls", "GET", called),
        route("offers", "GET", offers),
        route("reset", "POST", reset),
    ]


def _forgiving(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except ValueError as error:
            return answer({"error": str(error)}, 422)

    return handled


async def _object(request: Request) -> dict[str, Any]:
    told = await request.json()
    if not isinstance(told, dict):
        raise Mistake("an object is expected")
    return told


def _matching(world: World, wanted: Mapping[str, Any]) -> list[Shape]:
    provider = wanted.get("provider")
    if provider not in world.shapes:
        raise Mistake(f"provider: one of {', '.join(sorted(world.shapes))}")
    filters = {name: wanted[name] for name in _FILTERS if wanted.get(name) is not None}
    return [
        shape
        for shape in world.shapes[provider].values()
        if all(getattr(shape, name) == want for name, want in filters.items())
    ]


def change_prices(world: World, wanted: Mapping[str, Any]) -> int:
    """Change the prices of what matches, and of everything that shares a price with it. How many shapes changed."""
    groups = {shape.group for shape in _matching(world, wanted)}
    try:
        factor = Decimal(str(wanted["factor"])) if "factor" in wanted else None
        fixed = Decimal(str(wanted["usd_per_gpu_hour"])) if "usd_per_gpu_hour" in wanted else None
    except InvalidOperation as error:
        raise Mistake("factor or usd_per_gpu_hour: a number") from error
    if (factor is None) == (fixed is None):
        raise Mistake("one of factor and usd_per_gpu_hour")
    changed = 0
    for shape in world.shapes[wanted["provider"]].values():
        if shape.group not in groups:
            continue
        changed += 1
        if wanted.get("spot") is not True:
            shape.usd = fixed if fixed is not None else _scaled(shape.usd, factor)
        if wanted.get("spot") is not False and shape.spot_usd is not None:
            if fixed is None:
                shape.spot_usd = _scaled(shape.spot_usd, factor)
            elif wanted.get("spot") is True:
                shape.spot_usd = fixed
    return changed


def _scaled(price: Decimal, factor: Decimal | None) -> Decimal:
    return (price * (factor or Decimal(1))).quantize(Decimal("0.0001"))


def _shown(shape: Shape) -> dict[str, Any]:
    return {
        "key": shape.key,
        "gpu": shape.gpu,
        "form": shape.form,
        "gpus": shape.gpus,
        "vram_gb": shape.vram_gb,
        "region": shape.region,
        "stock": shape.stock,
        "usd_per_gpu_hour": str(shape.usd),
        "spot_usd_per_gpu_hour": None if shape.spot_usd is None else str(shape.spot_usd),
    }
