"""Fees of both sides of a trade: a versioned configuration with volume tiers, and the arithmetic. Pure.

Percentages are per cent of the amount (0.5 is half a per cent). Buyer and seller are each rated by their own settled
volume of the last 30 days. A tier covers [min, max); the last one may be open; outside all tiers the defaults hold.
Each fee is rounded half to even to the micro-dollar by itself, so that the parts of a trade add up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Literal

from gpubroker.kernel.errors import FieldError, Invalid
from gpubroker.kernel.money import MicroUsd

Side = Literal["buyer", "seller"]

DEFAULT_PCT = Decimal("0.5")
MOST_TIERS = 50
_CENT = 10_000


@dataclass(frozen=True, slots=True)
class Tier:
    """Fees of who traded at least `minimum` and less than `maximum` in the window; no maximum is no end."""

    tier_id: str
    name: str
    minimum: MicroUsd
    maximum: MicroUsd | None
    buyer_pct: Decimal
    seller_pct: Decimal

    def covers(self, volume: MicroUsd) -> bool:
        return self.minimum <= volume and (self.maximum is None or volume < self.maximum)


@dataclass(frozen=True, slots=True)
class FeeConfig:
    """One version of the configuration, in force from `effective_from` until a later one is."""

    version: int
    buyer_pct: Decimal
    seller_pct: Decimal
    tiers: tuple[Tier, ...]
    effective_from: datetime
    created_at: datetime
    created_by: str = ""

    def pct_of(self, side: Side, volume: MicroUsd) -> Decimal:
        """The percentage of one side at its volume."""
        tier = tier_of(self, volume)
        if side == "buyer":
            return tier.buyer_pct if tier else self.buyer_pct
        return tier.seller_pct if tier else self.seller_pct


@dataclass(frozen=True, slots=True)
class Fees:
    buyer: MicroUsd
    seller: MicroUsd

    @property
    def total(self) -> MicroUsd:
        return self.buyer + self.seller


@dataclass(frozen=True, slots=True)
class Split:
    """An amount that a buyer pays in all, taken apart: total = amount + fees.buyer, payout = amount - fees.seller."""

    total: MicroUsd
    amount: MicroUsd
    fees: Fees

    @property
    def payout(self) -> MicroUsd:
        return self.amount - self.fees.seller


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = FeeConfig(
    version=0,
    buyer_pct=DEFAULT_PCT,
    seller_pct=DEFAULT_PCT,
    tiers=(
        Tier("standard", "Standard", 0, 10_000_000_000, DEFAULT_PCT, DEFAULT_PCT),
        Tier("premium", "Premium", 10_000_000_000, None, Decimal("0.4"), Decimal("0.4")),
    ),
    effective_from=_BEGINNING,
    created_at=_BEGINNING,
)
"""What holds until an administrator says otherwise."""


def tier_of(config: FeeConfig, volume: MicroUsd) -> Tier | None:
    """The one tier that a volume lies in; None outside all of them."""
    return next((tier for tier in config.tiers if tier.covers(volume)), None)


def fees_of(amount: MicroUsd, buyer_pct: Decimal, seller_pct: Decimal) -> Fees:
    """Both fees on an amount that a seller asks for: the buyer pays amount + buyer fee, the seller gets amount -
    seller fee."""
    return Fees(_share(amount, buyer_pct), _share(amount, seller_pct))


def inclusive_split(total: MicroUsd, buyer_pct: Decimal, seller_pct: Decimal) -> Split:
    """What a buyer pays in all, taken apart: the net amount is rounded, the buyer's fee is what is left over."""
    exact = Decimal(total) * 100 / (100 + buyer_pct)
    amount = int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
    return Split(total, amount, Fees(total - amount, _share(amount, seller_pct)))


def acceptable_fees(amount: MicroUsd, buyer_pct: Decimal, seller_pct: Decimal) -> tuple[Fees, ...]:
    """The fees that a caller may have come to: to the micro-dollar, or each to the cent (half to even, or half up)."""
    exact = (amount * buyer_pct / 100, amount * seller_pct / 100)
    found = [fees_of(amount, buyer_pct, seller_pct)]
    for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP):
        buyer, seller = (int((fee / _CENT).to_integral_value(rounding=rounding)) * _CENT for fee in exact)
        found.append(Fees(buyer, seller))
    return tuple(dict.fromkeys(found))


def _share(amount: MicroUsd, pct: Decimal) -> MicroUsd:
    return int((amount * pct / 100).to_integral_value(rounding=ROUND_HALF_EVEN))


def require_sound(buyer_pct: Decimal, seller_pct: Decimal, tiers: Sequence[Tier]) -> None:
    """Raises Invalid, which names every wrong field: percentages outside 0-100, tiers that overlap or leave a gap."""
    wrong = [FieldError(name, "must be between 0 and 100") for name, pct in
             (("buyerFee", buyer_pct), ("sellerFee", seller_pct)) if not 0 <= pct <= 100]  # fmt: skip
    if len(tiers) > MOST_TIERS:
        wrong.append(FieldError("tiers", f"may be {MOST_TIERS} at most"))
    seen: set[str] = set()
    for number, tier in enumerate(tiers):
        for name, pct in (("buyerFee", tier.buyer_pct), ("sellerFee", tier.seller_pct)):
            if not 0 <= pct <= 100:
                wrong.append(FieldError(f"tiers.{number}.{name}", "must be between 0 and 100"))
        if tier.tier_id in seen:
            wrong.append(FieldError(f"tiers.{number}.id", "is the id of two tiers"))
        seen.add(tier.tier_id)
        if tier.maximum is not None and tier.maximum <= tier.minimum:
            wrong.append(FieldError(f"tiers.{number}.maxVolume", "must be over minVolume"))
        wrong += _joint(number, tiers[number - 1] if number else None, tier)
    if wrong:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in wrong), fields=tuple(wrong))


def _joint(number: int, before: Tier | None, tier: Tier) -> list[FieldError]:
    """What is wrong where two tiers meet; the first one begins at zero."""
    field = f"tiers.{number}.minVolume"
    if before is None:
        return [] if tier.minimum == 0 else [FieldError(field, "leaves a gap: the first tier begins at 0")]
    if before.maximum is None:
        return [FieldError(f"tiers.{number - 1}.maxVolume", "only the last tier may be open")]
    if tier.minimum < before.maximum:
        return [FieldError(field, "overlaps the tier before it")]
    if tier.minimum > before.maximum:
        return [FieldError(field, "leaves a gap after the tier before it")]
    return []
