"""Adding and removing members of a ready rental. Pure, like rules.py.

All of an addition comes about, or none of it: what was added is undone, uncharged, and the rest runs on.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.time import iso
from gpubroker.rentals import facts
from gpubroker.rentals.caps import MAX_MEMBERS
from gpubroker.rentals.endings import StillThere
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.ports import OfferTerms
from gpubroker.rentals.rental import Failure, Member, MemberPhase, Operation, Phase, Rental, Work
from gpubroker.rentals.rules import (
    LOOK_AFTER,
    NotReadyYet,
    OfferNotAvailable,
    Step,
    failed,
    holding,
    leaving,
    with_new_members,
    working,
)

REPLACEMENTS = 3
"""How many other offers are tried for one added member."""


class RentalBusy(Conflict):
    code = "rental-busy"
    title = "Something else is being done to this rental"


class NotScalable(Conflict):
    code = "rental-not-ready"
    title = "Only a ready rental can be scaled"


class ScaleTooFar(Conflict):
    code = "scale-too-far"
    title = "The rental cannot be scaled that far"


def _free(rental: Rental) -> None:
    if rental.phase is not Phase.READY:
        raise NotScalable(f"It is {rental.phase}.")
    if rental.operation is not None:
        raise RentalBusy("It is being scaled already.", retry_after=5)


def _begun(rental: Rental, work: Work, members: Sequence[Member], now: datetime) -> Step:
    number = rental.scalings + 1
    operation = Operation(
        f"{rental.rental_id}-scale-{number}", work, tuple(m.member_id for m in members), deadline=now + LOOK_AFTER
    )
    rental = holding(replace(rental, operation=operation, scalings=number))
    data = {"operation_id": operation.operation_id, "action": work.value, "count": len(members)}
    return rental, (Fact("RentalScaling", now, data),)


def add(rental: Rental, count: int, *, plan: Plan, deployment: str, now: datetime) -> Step:
    """Ask for `count` more members, at first of the rental's own offer and price; the workflow reads them again."""
    _free(rental)
    rental = replace(rental, plan=plan)  # the caps are those of the plan as it is now
    if len(rental.members) + count > MAX_MEMBERS:
        raise ScaleTooFar(f"A rental may have {MAX_MEMBERS} instances over its life.")
    price = max((m.price_micros for m in rental.live_members), default=rental.max_price_micros)
    offer = rental.offer
    terms = OfferTerms(
        offer.offer_id, offer.provider, offer.gpu_model, offer.gpu_count, offer.region, offer.spot, price, True
    )
    before = len(rental.members)
    rental = with_new_members(rental, [terms] * count, deployment=deployment)
    return _begun(rental, Work.ADD, rental.members[before:], now)


def remove(rental: Rental, count: int, *, now: datetime) -> Step:
    """Ask for the end of `count` members: the dearest first, of those the newest. Their charge stops now."""
    _free(rental)
    live = [member for member in rental.live_members if member.phase is MemberPhase.READY]
    if count >= len(live):
        raise ScaleTooFar(f"It has {len(live)} instances; to end all of them, delete the rental.")
    order = {member.member_id: place for place, member in enumerate(rental.members)}
    chosen = sorted(live, key=lambda m: (m.price_micros, order[m.member_id]), reverse=True)[:count]
    for member in chosen:
        rental = rental.with_member(leaving(member, now))
    return _begun(rental, Work.REMOVE, chosen, now)


def agree_added(
    rental: Rental, operation_id: str, own: OfferTerms | None, similar: Sequence[OfferTerms], now: datetime
) -> Step:
    """Give each added member an offer: the rental's own where it is still fit, else similar ones in their order."""
    operation = working(rental, operation_id)
    wanted = [rental.member(member_id) for member_id in operation.members]
    if any(member.asked or not member.live for member in wanted):
        return rental, ()  # agreed before; this is a second call
    fit = [priced for terms in similar if is_fit(rental, priced := terms.with_disk(rental.launch.disk_gb))]
    own = own and own.with_disk(rental.launch.disk_gb)
    if own is not None and is_fit(rental, own):
        offers = [own] * len(wanted)
    elif fit:
        offers = [fit[place % len(fit)] for place in range(len(wanted))]
    else:
        raise OfferNotAvailable("Neither the rental's own offer nor a similar one is available within your limit.")
    for member, terms in zip(wanted, offers, strict=True):
        rental = rental.with_member(replace(member, offer=terms.agreed(), price_micros=terms.price_micros))
    return holding(replace(rental, operation=replace(operation, deadline=now + LOOK_AFTER))), ()


def is_fit(rental: Rental, terms: OfferTerms) -> bool:
    """Whether an added member may be of this offer; what its disk costs is counted in.

    A rental on the customer's own account stays with its provider: elsewhere there is no such account.
    """
    price = terms.with_disk(rental.launch.disk_gb).price_micros
    if rental.integration is not None and terms.provider != rental.offer.provider:
        return False  # the customer's own account is at this one provider
    return terms.rentable and terms.available and price <= rental.max_price_micros


def give_up(rental: Rental, operation_id: str, member_id: str, failure: Failure, now: datetime) -> Step:
    """An added member could not be made: whatever there is of it is to be ended, uncharged."""
    working(rental, operation_id)
    member = replace(rental.member(member_id), failure=failure)
    return holding(rental.with_member(leaving(member, now, void=True))), ()


def replaced(
    rental: Rental, operation_id: str, member_id: str, similar: Sequence[OfferTerms], *, deployment: str
) -> Step:
    """Put another member, from an offer not yet tried, in the place of one that could not be made.

    Calling it again gives the same replacement (`member.replaced_by`). Raises OfferNotAvailable when nothing fits.
    """
    operation = working(rental, operation_id)
    member = rental.member(member_id)
    if member.replaced_by is not None:
        return rental, ()
    tried = {m.offer.offer_id for m in (rental.member(one) for one in operation.members) if m.asked}
    fit = [terms for terms in similar if is_fit(rental, terms) and terms.offer_id not in tried]
    if not fit or replacements(rental, operation, member_id) >= REPLACEMENTS:
        raise OfferNotAvailable("No similar offer could be had within your limit.")
    rental = with_new_members(rental, [fit[0].with_disk(rental.launch.disk_gb)], deployment=deployment)
    successor = rental.members[-1].member_id
    rental = rental.with_member(replace(member, replaced_by=successor))
    operation = replace(operation, members=(*operation.members, successor))
    return holding(replace(rental, operation=operation)), ()


def replacements(rental: Rental, operation: Operation, member_id: str) -> int:
    """How many members stood in this one's place before it."""
    before = {m.replaced_by: m.member_id for m in rental.members if m.replaced_by and m.member_id in operation.members}
    count, current = 0, member_id
    while current in before:
        count, current = count + 1, before[current]
    return count


def undo_addition(rental: Rental, operation_id: str, failure: Failure, now: datetime) -> Step:
    """Give up an addition: end what was added, uncharged."""
    operation = rental.operation
    if operation is None or operation.operation_id != operation_id or operation.work is not Work.ADD:
        return rental, ()
    if operation.undoing:
        return rental, ()
    for member in map(rental.member, operation.members):  # each says why, once the operation is gone
        rental = rental.with_member(failed(leaving(member, now, void=True), failure))
    operation = replace(operation, undoing=True, failure=failure, deadline=now + LOOK_AFTER)
    return holding(replace(rental, operation=operation)), ()


def conclude_scaling(rental: Rental, operation_id: str, now: datetime) -> Step:
    """The work is done, forward or backward. Raises StillThere or NotReadyYet while it is not."""
    operation = rental.operation
    if operation is None or operation.operation_id != operation_id:
        return rental, ()
    members = [rental.member(member_id) for member_id in operation.members]
    backward = operation.undoing or operation.work is Work.REMOVE
    if backward and not all(member.phase.gone for member in members):
        raise StillThere(f"{operation_id} has members that are not gone")
    if not backward and not all(m.charges or m.replaced_by for m in members):
        raise NotReadyYet(f"{operation_id} has members that are not ready")
    rental = holding(replace(rental, operation=None))
    data = {"operation_id": operation_id, "action": operation.work.value}
    if operation.undoing:
        return rental, (Fact("RentalScaleFailed", now, data | facts.failure_data(operation.failure)),)
    told = data | {"instances": len(rental.live_members), "ends_at": iso(rental.ends_at) if rental.ends_at else None}
    changed = facts.member_data(m for m in members if m.phase is MemberPhase.READY or operation.work is Work.REMOVE)
    return rental, (Fact("RentalScaled", now, told | {"members": changed}),)
