"""Whether a price makes sense, field by field. Pure; what does not raises Invalid with the path of the field."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from gpubroker.billing.rating.prices import (
    FlatModel,
    GraduatedModel,
    PackageModel,
    PriceModel,
    ResourcePrice,
    Scope,
    Tier,
    VolumeModel,
)
from gpubroker.billing.resources import UNITS
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd, micros

_NEEDS = {
    "flat": ("unit_price",),
    "graduated": ("tiers",),
    "volume": ("tiers",),
    "package": ("package_size", "package_price"),
}
_MAY = {"package": ("free_units",)}
_FIELDS = ("unit_price", "tiers", "package_size", "package_price", "free_units")


class TierFields(Protocol):
    @property
    def from_(self) -> Decimal | None: ...
    @property
    def up_to(self) -> Decimal | None: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def flat_fee(self) -> Decimal: ...
    @property
    def block_size(self) -> Decimal | None: ...


class PriceFields(Protocol):
    @property
    def resource(self) -> str: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def instances(self) -> Scope: ...
    @property
    def model(self) -> str: ...
    @property
    def unit_price(self) -> Decimal | None: ...
    @property
    def tiers(self) -> Sequence[TierFields] | None: ...
    @property
    def package_size(self) -> Decimal | None: ...
    @property
    def package_price(self) -> Decimal | None: ...
    @property
    def free_units(self) -> Decimal | None: ...
    @property
    def minimum_spend(self) -> Decimal | None: ...
    @property
    def maximum_spend(self) -> Decimal | None: ...


def checked(asked: PriceFields, path: str) -> ResourcePrice:
    """The price that was asked for; `path` is where it stands in the request (`prices.0`). Raises Invalid."""
    units = UNITS[asked.resource]
    unit = asked.unit or next(iter(units))
    if unit not in units:
        raise Invalid.of(f"{path}.unit", f"{asked.resource} is priced by {' or '.join(units)}")
    _fields_of_its_model(asked, path)
    minimum, maximum = _micros(asked.minimum_spend), _micros(asked.maximum_spend)
    if minimum is not None and maximum is not None and maximum < minimum:
        raise Invalid.of(f"{path}.maximum_spend", "is less than the minimum_spend")
    return ResourcePrice(
        resource=asked.resource,
        model=_model(asked, path),
        unit=unit,
        per=units[unit],
        scope=asked.instances,
        minimum=minimum,
        maximum=maximum,
    )


def _fields_of_its_model(asked: PriceFields, path: str) -> None:
    needed = _NEEDS[asked.model]
    for name in _FIELDS:
        given = getattr(asked, name) is not None
        if name in needed and not given:
            raise Invalid.of(f"{path}.{name}", f"is required for the model {asked.model}")
        if given and name not in needed and name not in _MAY.get(asked.model, ()):
            raise Invalid.of(f"{path}.{name}", f"is nothing of the model {asked.model}")


def _model(asked: PriceFields, path: str) -> PriceModel:
    if asked.model == "flat":
        return FlatModel(asked.unit_price or Decimal(0))
    if asked.model == "package":
        size, price = asked.package_size or Decimal(1), asked.package_price or Decimal(0)
        return PackageModel(size, micros(price), asked.free_units or Decimal(0))
    tiers = _tiers(asked.tiers or (), f"{path}.tiers")
    return GraduatedModel(tiers) if asked.model == "graduated" else VolumeModel(tiers)


def _tiers(asked: Sequence[TierFields], path: str) -> tuple[Tier, ...]:
    """Tiers from zero to no end, each beginning where the one before ended."""
    end: Decimal | None = Decimal(0)
    found = []
    for place, tier in enumerate(asked):
        if end is None:
            raise Invalid.of(f"{path}.{place - 1}.up_to", "only the last tier is without end")
        if tier.from_ is not None and tier.from_ != end:
            fault = "overlaps the tier before" if tier.from_ < end else "leaves a gap after the tier before"
            raise Invalid.of(f"{path}.{place}.from", f"{fault}, which ends at {end:f}" if place else "must be 0")
        if tier.up_to is not None and tier.up_to <= end:
            raise Invalid.of(f"{path}.{place}.up_to", f"must be over {end:f}, where the tier begins")
        found.append(Tier(tier.up_to, tier.unit_price, micros(tier.flat_fee), tier.block_size))
        end = tier.up_to
    if end is not None:
        raise Invalid.of(f"{path}.{len(asked) - 1}.up_to", f"leaves a gap: nothing prices what is over {end:f}")
    return tuple(found)


def _micros(amount: Decimal | None) -> MicroUsd | None:
    return None if amount is None else micros(amount)


def refuse_two_prices(prices: Sequence[ResourcePrice]) -> None:
    """A resource has one price for each kind of instances. Raises Invalid."""
    seen: dict[tuple[str, Scope], int] = {}
    for place, price in enumerate(prices):
        first = seen.setdefault((price.resource, price.scope), place)
        if first != place:
            raise Invalid.of(f"prices.{place}.resource", f"overlaps prices.{first}: {price.resource} is priced twice")
