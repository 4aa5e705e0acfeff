"""What a rental costs. A member's stretches are added exactly and rounded half to even once (DESIGN §7);
the rental costs the sum of its members, so that the lines of an invoice add up to its total."""

from datetime import datetime
from decimal import Decimal

from gpubroker.kernel.money import MicroUsd, cost
from gpubroker.rentals.rental import Charge, Member, Rental, whole_second

_HOUR = 3600


def _seconds(charge: Charge, now: datetime) -> int:
    until = charge.until or max(charge.since, whole_second(now))
    return int((until - charge.since).total_seconds())


def charged_seconds(member: Member, now: datetime) -> int:
    return 0 if member.void else sum(_seconds(charge, now) for charge in member.charges)


def member_cost(member: Member, now: datetime, *, at_most_seconds: int | None = None) -> MicroUsd:
    """Micro-USD for one member until `now`; `at_most_seconds` bounds its charged time, counted from its start."""
    if member.void:
        return 0
    left = charged_seconds(member, now) if at_most_seconds is None else at_most_seconds
    exact = Decimal(0)  # in micro-USD seconds per hour, so that the one division and rounding come last
    for charge in member.charges:
        seconds = min(_seconds(charge, now), left)
        left -= seconds
        exact += Decimal(charge.price_micros) * seconds
    return cost(int(exact), 1)  # price per hour x 1 s == exact / 3600, rounded half to even once


def provider_cost(rental: Rental, now: datetime) -> MicroUsd | None:
    """What the provider bills the customer itself until `now`, as far as it told: for information, never charged by us.

    None where we charge. Rounded like our own, a member each.
    """
    if rental.integration is None:
        return None
    return sum(
        cost(sum((charge.provider_micros or 0) * _seconds(charge, now) for charge in member.charges), 1)
        for member in rental.members
        if not member.void
    )


def rental_cost(rental: Rental, now: datetime, *, at_most_seconds: int | None = None) -> MicroUsd:
    return sum(member_cost(member, now, at_most_seconds=at_most_seconds) for member in rental.members)


def committed(price_micros: MicroUsd, seconds: int, instances: int) -> MicroUsd:
    """What a term is held for: rounded up, so that a hold always covers the charge."""
    return -(-price_micros * seconds * instances // _HOUR)
