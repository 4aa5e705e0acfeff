"""Terms: when somebody has to look at a rental next, and what happens when its time is up. Pure, like rules.py."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.rentals import endings, facts
from gpubroker.rentals.caps import dollars
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.rental import MemberPhase, Phase, Rental
from gpubroker.rentals.rules import LOOK_AFTER, Step, closed_at, holding


def due_at(rental: Rental) -> datetime | None:
    """When the sweep must look at this rental; None for one that is over. Every open rental has such a moment, so
    that none is forgotten whatever dies (the item's index key is made of it)."""
    if rental.phase.over:
        return None
    moments = [moment for moment in (rental.ends_at if rental.phase is Phase.READY else None,
                                     rental.operation.deadline if rental.operation else None)
               if moment is not None]  # fmt: skip
    return min(moments, default=rental.requested_at)


def time_is_up(rental: Rental, now: datetime) -> bool:
    return rental.phase is Phase.READY and rental.ends_at is not None and rental.ends_at <= now


def overdue(rental: Rental, now: datetime) -> bool:
    """Whether it is time to look after the workflow of the present operation."""
    return rental.operation is not None and rental.operation.deadline <= now


def renew(rental: Rental, prices: Mapping[str, MicroUsd], now: datetime) -> Step:
    """Another term for every live member, each at the price of this moment (`prices`, by member id).

    A member that is not in `prices` keeps its price. Raises PriceRefused when one is over the caller's cap.
    """
    if not time_is_up(rental, now) or rental.ends_at is None:
        return rental, ()
    old_end, data = rental.ends_at, []
    for member in rental.live_members:
        if member.phase is not MemberPhase.READY:
            continue
        price = prices.get(member.member_id, member.price_micros)
        if price > rental.max_price_micros:
            raise PriceRefused(
                f"The price is {dollars(price)} an hour now, the limit of this rental is "
                f"{dollars(rental.max_price_micros)}."
            )
        closed = closed_at(member, old_end).charges
        rental = rental.with_member(
            replace(member, price_micros=price, charges=(*closed, rental.charge(price, old_end)))
        )
        data.append({"member_id": member.member_id} | facts.money("price_per_hour", price))
    ends_at = old_end + rental.duration
    rental = holding(replace(rental, ends_at=ends_at, renewals=rental.renewals + 1))
    fact = Fact("RentalRenewed", now, {"since": iso(old_end), "ends_at": iso(ends_at), "members": data})
    return rental, (fact,)


class PriceRefused(Exception):
    """The price of this moment is over the rental's cap."""


def expire(rental: Rental, now: datetime, *, notice: str | None = None) -> Step:
    """The time is up: end it as of that moment. `notice` says why it was not renewed, where it should have been."""
    if not time_is_up(rental, now) or rental.ends_at is None:
        return rental, ()
    refused = (Fact("RentalRenewalRefused", now, {"notice": notice, "ends_at": iso(rental.ends_at)}),) if notice else ()
    rental, told = endings.end(rental, at=rental.ends_at, now=now, reason="expired", notice=notice)
    return rental, refused + told


def restarted(rental: Rental, now: datetime) -> Step:
    """Count another attempt at the present operation, and give it time."""
    operation = rental.operation
    if operation is None or not overdue(rental, now):
        return rental, ()
    again = replace(operation, attempt=operation.attempt + 1, deadline=now + LOOK_AFTER)
    return replace(rental, operation=again), ()


def left_alone(rental: Rental, now: datetime) -> Step:
    """The workflow runs: look again later."""
    operation = rental.operation
    if operation is None or not overdue(rental, now):
        return rental, ()
    return replace(rental, operation=replace(operation, deadline=now + LOOK_AFTER)), ()
