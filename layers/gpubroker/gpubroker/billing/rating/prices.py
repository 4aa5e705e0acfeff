"""What a unit of a resource costs: the models of prices. Prices are exact decimals of USD, fees are micro-USD.

Tiers are (previous, up_to]: the boundary belongs to the lower tier (OpenMeter, Lago; docs/billing.md).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from gpubroker.kernel.money import MicroUsd

Scope = Literal["all", "rental", "other"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tier:
    """up_to       the last priced unit of this tier, itself included; None: without end
    unit_price  USD for a priced unit; for a whole block where there is one
    flat_fee    micro-USD for entering the tier at all; the first tier is entered by no usage too
    block       units are sold in whole blocks of so many, counted within the tier; None: as exactly as they were used
    """

    up_to: Decimal | None
    unit_price: Decimal = _ZERO
    flat_fee: MicroUsd = 0
    block: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FlatModel:
    """Every unit costs the same."""

    unit_price: Decimal
    model: Literal["flat"] = "flat"


@dataclass(frozen=True, slots=True)
class GraduatedModel:
    """Each unit costs what its own tier says (Kill Bill's ALL_TIERS)."""

    tiers: tuple[Tier, ...]
    model: Literal["graduated"] = "graduated"


@dataclass(frozen=True, slots=True)
class VolumeModel:
    """All units cost what the tier of the last one says (Kill Bill's TOP_TIER)."""

    tiers: tuple[Tier, ...]
    model: Literal["volume"] = "volume"


@dataclass(frozen=True, slots=True)
class PackageModel:
    """Whole packages of `size` units, begun ones included, of what goes beyond the free units."""

    size: Decimal
    package_price: MicroUsd
    free_units: Decimal = _ZERO
    model: Literal["package"] = "package"


PriceModel: TypeAlias = FlatModel | GraduatedModel | VolumeModel | PackageModel


@dataclass(frozen=True, slots=True)
class ResourcePrice:
    """The price of one resource.

    resource  the meter: `network_egress_mb`
    unit      what is priced, for people: `gb`
    per       how many of the meter's units a priced one is: 1000. Quantities are always the meter's, tiers and prices
              are of priced units.
    scope     whose usage: instances of rentals, others, or all
    minimum   micro-USD that a period costs at least, and `maximum` at most
    """

    resource: str
    model: PriceModel
    unit: str = "unit"
    per: int = 1
    scope: Scope = "all"
    minimum: MicroUsd | None = None
    maximum: MicroUsd | None = None
    currency: Literal["USD"] = field(default="USD")
