"""From a quantity to lines.

A period may be rated in parts: `already_rated` is what came before, and tiers go on where they stopped. The amount of
a part is the difference of two roundings, round(price x after) - round(price x before), so that however a period is
cut, its parts add up to the whole to the micro-dollar; where nothing came before, that is one rounding, half to even.
"""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext

from gpubroker.billing.rating.lines import NOTHING_BILLED, Billed, LineKind, RatedLine, total
from gpubroker.billing.rating.prices import (
    GraduatedModel,
    PackageModel,
    ResourcePrice,
    Tier,
    VolumeModel,
)
from gpubroker.billing.rating.rounding import half_even
from gpubroker.kernel.money import MicroUsd

_MICROS = 1_000_000
_ZERO = Decimal(0)
# Products and sums of what a plan and a meter may hold fit; should anything be lost, it raises instead.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
MOST_DIGITS = 40
"""Of a quantity, before and after the point together."""


def rate(
    price: ResourcePrice,
    quantity: Decimal | int,
    already_rated: Decimal | int = 0,
    *,
    first: bool | None = None,
    last: bool = True,
    previously_billed: MicroUsd | None = None,
) -> list[RatedLine]:
    """The lines of `quantity` more of the meter's units in a period that has had `already_rated`.

    first              whether nothing of the period was rated before; by default when `already_rated` is 0
    last               whether the period is over: only then is a minimum spend charged
    previously_billed  micro-USD that the parts before cost; by default what this very price makes of them

    Raises ValueError for a quantity that is negative or no finite number, TypeError for a binary float.
    """
    before, more = _checked(already_rated), _checked(quantity)
    opening = before == 0 if first is None else first
    if opening and before:
        raise ValueError("the first part of a period has nothing before it")
    if previously_billed is not None:
        return rate_part(price, before, more, opening, last, Billed(previously_billed, previously_billed))
    with localcontext(_EXACT):
        uncut = 0 if opening else total(_usage_lines(price, _ZERO, before, opening=True))
    billed = uncut if price.maximum is None else min(uncut, price.maximum)
    return rate_part(price, before, more, opening, last, Billed(uncut, billed))


def rate_stretches(
    stretches: Sequence[tuple[ResourcePrice, Decimal | int]], *, over: bool = True
) -> list[list[RatedLine]]:
    """The lines of each stretch of one period in which the price changed, in order of time.

    Each stretch costs what its own price says, with the tiers counted from the start of the period: a change of price
    gives nobody the cheap (or the dear) units twice. A maximum bounds what was billed so far while its price is in
    force; the minimum is the last price's.
    over: whether the last stretch ends the period.
    """
    rated: list[list[RatedLine]] = []
    before, so_far, ruled_by = _ZERO, NOTHING_BILLED, None
    for place, (price, quantity) in enumerate(stretches):
        if price != ruled_by:
            so_far = so_far.settled()
        last = over and place == len(stretches) - 1
        lines = rate_part(price, before, _checked(quantity), place == 0, last, so_far)
        rated.append(lines)
        so_far, ruled_by = so_far.with_lines(lines), price
        before = added(before, quantity)
    return rated


def added(*quantities: Decimal | int) -> Decimal:
    """Quantities together, exactly: the context of the process would round to 28 digits."""
    with localcontext(_EXACT):
        return sum(map(Decimal, quantities), _ZERO)


def owed(price: ResourcePrice, quantity: Decimal | int, billed: MicroUsd) -> MicroUsd:
    """What is still to pay for a period that turned out to hold `quantity` after `billed` was invoiced for it: late
    usage bills its difference. Negative where too much was billed."""
    return total(rate(price, quantity)) - billed


def _checked(quantity: Decimal | int) -> Decimal:
    if isinstance(quantity, bool) or not isinstance(quantity, Decimal | int):
        raise TypeError(f"a quantity is a Decimal or an int, not {type(quantity).__name__}")
    exact = Decimal(quantity)
    if not exact.is_finite() or exact < 0:
        raise ValueError(f"not a quantity: {quantity}")
    digits, exponent = exact.as_tuple()[1:]
    if len(digits) > MOST_DIGITS or abs(int(exponent)) > MOST_DIGITS:
        raise ValueError(f"more digits than anything measures: {quantity}")
    return exact


def rate_part(
    price: ResourcePrice, before: Decimal, more: Decimal, opening: bool, last: bool, so_far: Billed
) -> list[RatedLine]:
    """`rate` where the parts before were not all of this price; what they cost is known."""
    with localcontext(_EXACT):
        lines = _usage_lines(price, before, before + more, opening=opening)
    if price.minimum is not None or price.maximum is not None:
        lines += _commitment(price, so_far, total(lines), last=last)
    return lines


def _usage_lines(price: ResourcePrice, before: Decimal, after: Decimal, *, opening: bool) -> list[RatedLine]:
    model, per = price.model, price.per
    if isinstance(model, GraduatedModel):
        return _graduated(model.tiers, per, before, after, opening=opening)
    if isinstance(model, VolumeModel):
        lines = _volume(model.tiers, per, after)
        if opening:
            return lines
        credit = total(_volume(model.tiers, per, before))
        return [*lines, RatedLine(LineKind.ALREADY_RATED, -credit, -before)]
    if isinstance(model, PackageModel):
        return _packages(model, per, before, after)
    whole = Tier(None, model.unit_price)
    return [_part(whole, per, _ZERO, before, after)] if after > before else []


def _graduated(tiers: Sequence[Tier], per: int, before: Decimal, after: Decimal, *, opening: bool) -> list[RatedLine]:
    lines: list[RatedLine] = []
    start = _ZERO
    for number, tier in enumerate(tiers, 1):
        end = None if tier.up_to is None else tier.up_to * per
        # The first tier is entered by the period itself, every other one by its first unit.
        entered = opening if number == 1 else before <= start < after
        if entered and tier.flat_fee:
            lines.append(RatedLine(LineKind.FLAT_FEE, tier.flat_fee, tier=number))
        low = max(before, start)
        high = after if end is None else min(after, end)
        if high > low:
            lines.append(_part(tier, per, start, low, high, number=number))
        if end is None or after <= end:
            break
        start = end
    return lines


def _volume(tiers: Sequence[Tier], per: int, quantity: Decimal) -> list[RatedLine]:
    number, tier = next(
        (number, tier) for number, tier in enumerate(tiers, 1) if tier.up_to is None or quantity <= tier.up_to * per
    )
    lines = []
    if tier.flat_fee:
        lines.append(RatedLine(LineKind.FLAT_FEE, tier.flat_fee, tier=number))
    if quantity:
        lines.append(_part(tier, per, _ZERO, _ZERO, quantity, number=number))
    return lines


def _part(tier: Tier, per: int, start: Decimal, low: Decimal, high: Decimal, *, number: int | None = None) -> RatedLine:
    """The units (low, high] of a tier that starts at `start`."""
    blocks = None
    if tier.block is not None:
        size = tier.block * per
        blocks = _ceiling(high - start, size) - _ceiling(low - start, size)
        # Rounded as one sum like the rest, so that parts add up where a block costs less than a micro-dollar too.
        amount = half_even(_ceiling(high - start, size) * tier.unit_price * _MICROS) - half_even(
            _ceiling(low - start, size) * tier.unit_price * _MICROS
        )
    else:
        micros = tier.unit_price * _MICROS
        amount = half_even((high - start) * micros, per) - half_even((low - start) * micros, per)
    return RatedLine(LineKind.USAGE, amount, high - low, tier.unit_price, per, number, blocks)


def _packages(model: PackageModel, per: int, before: Decimal, after: Decimal) -> list[RatedLine]:
    if after == before:
        return []
    free, size = model.free_units * per, model.size * per
    blocks = _ceiling(max(_ZERO, after - free), size) - _ceiling(max(_ZERO, before - free), size)
    unit_price = Decimal(model.package_price) / _MICROS
    return [RatedLine(LineKind.USAGE, blocks * model.package_price, after - before, unit_price, per, blocks=blocks)]


def _ceiling(quantity: Decimal, size: Decimal) -> int:
    """How many blocks hold the quantity, the begun one included."""
    numerator, denominator = quantity.as_integer_ratio()
    over, under = size.as_integer_ratio()
    return -(-numerator * under // (denominator * over))


def _commitment(price: ResourcePrice, so_far: Billed, now: MicroUsd, *, last: bool) -> list[RatedLine]:
    """The line that brings what is billed so far to what it may be at most, or must be at least.

    Under a maximum it may give back what was cut before: volume prices can fall with more usage.
    """
    wanted = so_far.uncut + now
    if price.maximum is not None:
        # What an earlier price billed rightly is not taken back because the new one's maximum is lower.
        wanted = min(wanted, max(price.maximum, so_far.billed))
    kind = LineKind.MAXIMUM_SPEND
    if last and price.minimum is not None and wanted < price.minimum:
        wanted, kind = price.minimum, LineKind.MINIMUM_SPEND
    change = wanted - so_far.billed - now
    return [RatedLine(kind, change)] if change else []
