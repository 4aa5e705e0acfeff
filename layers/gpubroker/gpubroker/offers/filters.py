"""From what a caller wrote to what the index is asked: names made canonical, ranges checked, plans respected."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from math import ceil, floor
from typing import Any

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import FieldError, Forbidden, Invalid
from gpubroker.offers.index import OfferIndex
from gpubroker.offers.query import Filters, Sized
from gpubroker.offers.requests import FilterFields

PLAIN_FIELDS = frozenset(
    {"gpu", "gpu_type", "min_price", "max_price", "region", "regions", "provider", "providers"}
    | {"availability", "min_availability"}
)
"""The filters that anonymous and free callers may use; of the sorts, price and performance."""


def filters_of(fields: FilterFields, index: OfferIndex, providers: Iterable[str]) -> Filters:
    """The filters of a request. Raises Invalid naming the field: a name nobody knows, a range with nothing in it."""
    given = fields.model_fields_set
    if not given:
        return Filters()
    gpus = _either(fields, given, "gpu", "gpu_type")
    counts = _either(fields, given, "count", "gpu_count")
    regions = _either(fields, given, "region", "regions")
    named = _either(fields, given, "provider", "providers")
    low = _either(fields, given, "min_memory_gb", "min_vram_gb")
    high = _either(fields, given, "max_memory_gb", "max_vram_gb")
    facets = index.order("price").facets
    models, sized = _gpus(gpus[0], _names(gpus[1]), facets["gpu_model"])
    minimum, maximum = _micros(fields.min_price, ROUND_CEILING), _micros(fields.max_price, ROUND_FLOOR)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise Invalid.of("min_price", "is over max_price")
    if low[1] is not None and high[1] is not None and low[1] > high[1]:
        raise Invalid.of(low[0], f"is over {high[0]}")
    if fields.min_availability == "available" and "unavailable" in _names(fields.availability):
        raise Invalid.of("min_availability", "excludes an availability that is asked for")
    return Filters(
        gpu_models=models,
        gpu_sizes=sized,
        gpu_counts=() if counts[1] is None else (counts[1],),
        regions=_regions(regions[0], _names(regions[1]), facets["region"]),
        providers=_known(named[0], _names(named[1]), {*providers, *facets["provider"]}, "provider"),
        availabilities=tuple(sorted(set(_names(fields.availability)))),
        min_availability=fields.min_availability,
        compliance_tags=tuple(sorted({tag.strip().lower() for tag in _names(fields.compliance_tags)})),
        spot=fields.spot,
        rentable=fields.rentable,
        min_vram_gb=None if low[1] is None else ceil(low[1]),
        max_vram_gb=None if high[1] is None else floor(high[1]),
        min_price=minimum,
        max_price=maximum,
    )


def hold_to_plan(fields: FilterFields, caller: Caller) -> None:
    """Raises Forbidden naming each field that the caller's plan does not include."""
    if _entitled(caller):
        return
    asked = (fields.model_fields_set & FilterFields.model_fields.keys()) - PLAIN_FIELDS
    if getattr(fields, "sort", None) == "score":
        asked |= {"sort"}
    if asked:
        wrong = tuple(
            FieldError(name, "score needs the plan pro" if name == "sort" else "needs the plan pro")
            for name in sorted(asked)
        )
        raise Forbidden(
            f"The plan {caller.plan} does not include {', '.join(sorted(asked))}: this needs the plan pro.",
            fields=wrong,
            required_plan=Plan.PRO.value,
        )


def canonical_origin(origin: str) -> str:
    """A caller's region as a canonical one. Raises Invalid on field `origin`."""
    from gpubroker.offers.regions import REGIONS

    name = origin.strip().lower()
    if name not in REGIONS:
        raise Invalid.of("origin", f"is no region; known are {', '.join(REGIONS)}")
    return name


def _entitled(caller: Caller) -> bool:
    return caller.has_plan(Plan.PRO) or caller.role in (Role.AGENT, Role.SERVICE, Role.ADMIN)


def _either(fields: FilterFields, given: set[str], name: str, other: str) -> tuple[str, Any]:
    if other not in given:
        return name, getattr(fields, name)
    if name in given:
        raise Invalid.of(other, f"is the same as {name}: give one of them")
    return other, getattr(fields, other)


def _names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _micros(amount: Decimal | None, rounding: str) -> int | None:
    return None if amount is None else int((amount * 1_000_000).to_integral_value(rounding=rounding))


@lru_cache(maxsize=1024)
def _read_gpu(name: str) -> tuple[str, int | None, bool]:
    """Canonical model, GB if the name says them ("A100 80GB"), whether the model is one of the table's."""
    from gpubroker.offers import gpus

    read = gpus.describe(name)
    return read.model, read.vram_gb, read.model in gpus.MODELS


def _gpus(field: str, names: tuple[str, ...], market: Iterable[Any]) -> tuple[tuple[str, ...], tuple[Sized, ...]]:
    """Models, and models of one memory size: "A100 80GB" must not find one of 40 GB."""
    models: set[str] = set()
    sized: set[Sized] = set()
    for name in names:
        # A name as the market has it is canonical; the table of spellings takes 7 ms of a cold start.
        model, vram_gb, known = (name, None, True) if name in market else _read_gpu(name)
        if not known and model not in market:
            raise Invalid.of(field, f"{name!r} is no GPU model that is known here")
        if vram_gb is None:
            models.add(model)
        else:
            sized.add((model, vram_gb))
    return tuple(sorted(models)), tuple(sorted(sized))


def _regions(field: str, names: tuple[str, ...], market: Iterable[Any]) -> tuple[str, ...]:
    if not names:
        return ()
    from gpubroker.offers.regions import FAMILIES, REGIONS

    every = {*REGIONS, *market, *FAMILIES} - {""}
    wanted = set()
    for name in _known(field, names, every, "region"):
        wanted |= {region for region in every if region == name or region.startswith(name + "-")}
    return tuple(sorted(wanted))


def _known(field: str, names: tuple[str, ...], known: Iterable[str], kind: str) -> tuple[str, ...]:
    wanted = {name.strip().lower() for name in names}
    if unknown := wanted - set(known):
        raise Invalid.of(field, f"{', '.join(sorted(unknown))!r} is no {kind}; known are {', '.join(sorted(known))}")
    return tuple(sorted(wanted))
