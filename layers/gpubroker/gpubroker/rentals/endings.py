"""How a rental ends, and what it then costs. Pure, like rules.py."""

from dataclasses import replace
from datetime import datetime, timedelta

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.time import iso
from gpubroker.rentals import facts
from gpubroker.rentals.cost import charged_seconds, rental_cost
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.ports import Instance
from gpubroker.rentals.rental import (
    Finalisation,
    MemberPhase,
    Operation,
    Phase,
    Rental,
    Work,
    whole_second,
)
from gpubroker.rentals.rules import LOOK_AFTER, Step, closed_at, holding, leaving

OUT_OF_REACH_AFTER = timedelta(days=1)
"""How long a customer has to save a good key, before an instance that nobody can end is left to them."""


class StillThere(Exception):
    """Something of a member is, or may yet appear, at its provider: look again later."""


class NotEnded(Conflict):
    code = "rental-not-ended"
    title = "The rental has not ended yet"


class MoreThanUsed(Conflict):
    code = "more-than-used"
    title = "More than was used cannot be charged"


class AlreadyFinal(Conflict):
    code = "already-finalised"
    title = "The rental was finalised with another duration"


def end(rental: Rental, *, at: datetime, now: datetime, reason: str, notice: str | None = None) -> Step:
    """Ask for the end. Charging stops at `at` (DESIGN §7); the time the provider takes from there is ours.

    Asking twice is harmless; whatever was being done to the rental is superseded.
    """
    if rental.phase.over or rental.phase in (Phase.ENDING, Phase.UNDOING):
        return rental, ()
    stop = whole_second(min(at, now))
    if rental.ends_at is not None:
        stop = min(stop, rental.ends_at)
    members = tuple(leaving(member, stop) for member in rental.members)
    operation = Operation(
        operation_id=f"{rental.rental_id}-end",
        work=Work.END,
        members=tuple(member.member_id for member in members if not member.phase.gone),
        deadline=now + LOOK_AFTER,
    )
    rental = replace(
        rental,
        phase=Phase.ENDING,
        members=members,
        operation=operation,
        ended_at=stop,
        end_reason=reason,
        notices=(*rental.notices, notice) if notice else rental.notices,
    )
    data = {"reason": reason, "operation_id": operation.operation_id, "ended_at": iso(stop)}
    return holding(rental), (Fact("RentalEnding", now, data | ({"notice": notice} if notice else {})),)


def must_wait(rental: Rental, member_id: str, now: datetime) -> bool:
    """Whether a create that was sent for this member may still take effect, so that seeing nothing proves nothing."""
    until = rental.member(member_id).create_until
    return until is not None and now < until


def member_gone(rental: Rental, member_id: str, now: datetime) -> Step:
    """Nothing of an ending member is left at its provider. Its instance stops counting against the cap."""
    member = rental.member(member_id)
    if member.phase is not MemberPhase.ENDING:
        return rental, ()
    phase = MemberPhase.UNDONE if member.void else MemberPhase.ENDED
    member = replace(member, phase=phase, gone_at=whole_second(now), create_until=None, task_token=None)
    return holding(rental.with_member(member)), ()


def out_of_reach(rental: Rental, member_id: str, now: datetime) -> Step:
    """The provider refuses the customer's own key, so an ending member can be neither seen nor ended.

    One that was never known to exist is given up at once; one that was, after a day in which a good key may be saved.
    The customer is told, since the instance would be on their bill. Raises StillThere until then.
    """
    member = rental.member(member_id)
    if member.phase is not MemberPhase.ENDING:
        return rental, ()
    since = member.over_at or now
    if must_wait(rental, member_id, now) or (member.instance_id is not None and now < since + OUT_OF_REACH_AFTER):
        raise StillThere(f"{member.offer.provider} refuses the key that {member.label} is to be ended with")
    notice = (
        f"{member.offer.provider} refuses your key, so we could not see that {member_id} is gone. "
        f"If an instance named {member.label} is still there, end it there: the provider bills it to you."
    )
    return member_gone(replace(rental, notices=(*rental.notices, notice)), member_id, now)


def refused(rental: Rental) -> Step:
    """The provider refuses the customer's own key while the rental runs: say so, once."""
    notice = (
        f"{rental.offer.provider} refuses your key, so this rental can be neither looked at nor ended: "
        "save a good one of the same account."
    )
    if rental.phase.over or rental.integration is None or notice in rental.notices:
        return rental, ()
    return replace(rental, notices=(*rental.notices, notice)), ()


def conclude_end(rental: Rental, now: datetime) -> Step:
    """Everything is gone: settle. Raises StillThere while a member is not."""
    if rental.phase.over:
        return rental, ()
    if not all(member.phase.gone for member in rental.members):
        raise StillThere(f"{rental.rental_id} has members that are not gone")
    at = whole_second(now)
    if rental.phase is Phase.UNDOING:
        rental = replace(rental, phase=Phase.FAILED, operation=None, gone_at=at, ended_at=at, final_cost_micros=0)
        return holding(rental), (Fact("RentalFailed", now, facts.failure_data(rental.failure)),)
    total = rental_cost(rental, now)
    rental = replace(rental, phase=Phase.ENDED, operation=None, gone_at=at, final_cost_micros=total)
    data = {
        "reason": rental.end_reason or "requested",
        "ready_at": iso(rental.ready_at) if rental.ready_at else None,
        "ended_at": iso(rental.ended_at or at),
        "gone_at": iso(at),
        "currency": "USD",
        "billed_by": rental.billed_by,
        "lines": facts.charge_data(rental, now),
    }
    return holding(rental), (Fact("RentalEnded", now, data | facts.money("final_cost", total)),)


def seen(rental: Rental, sightings: dict[str, Instance | None], now: datetime) -> Step:
    """What a provider's list says of ready members: seen, or (None, confirmed by asking for it) lost.

    A lost one is charged until it was last seen. When the last one is lost, the rental ends.
    """
    if rental.phase is not Phase.READY:
        return rental, ()
    at, facts_of = whole_second(now), []
    for member_id, instance in sightings.items():
        member = rental.member(member_id)
        if member.phase is not MemberPhase.READY:
            continue
        if instance is not None and instance.status in ("running", "pending"):
            rental = rental.with_member(replace(member, seen_at=at))
            continue
        last = member.seen_at or member.ready_at or at
        member = replace(closed_at(member, last), phase=MemberPhase.LOST, over_at=last, gone_at=at)
        rental = rental.with_member(member)
        facts_of.append(
            Fact("RentalMemberLost", now, {"member_id": member_id, "provider": member.offer.provider,
                                           "last_seen_at": iso(last)})
        )  # fmt: skip
    if facts_of and not rental.live_members:
        last_seen = max(m.over_at for m in rental.members if m.over_at is not None)
        rental, more = end(rental, at=last_seen, now=now, reason="lost", notice="The provider lost every instance.")
        facts_of.extend(more)
    return holding(rental), tuple(facts_of)


def finalise(rental: Rental, seconds: int, *, by: str, now: datetime) -> Step:
    """Confirm what is charged: as much as was used, or less, never more (DESIGN §7). Once; the same again is the same.

    seconds: charged time per member at most, counted from when the member became ready.
    """
    if not rental.phase.over:
        raise NotEnded(f"It is {rental.phase}; end it first.")
    if rental.finalised is not None:
        if rental.finalised.seconds != seconds:
            raise AlreadyFinal(f"It was finalised with {rental.finalised.seconds} seconds.")
        return rental, ()
    used = max((charged_seconds(member, now) for member in rental.members), default=0)
    if seconds > used:
        raise MoreThanUsed(f"{used} seconds were used; {seconds} cannot be confirmed.")
    total = rental_cost(rental, now, at_most_seconds=seconds)
    rental = replace(rental, final_cost_micros=total, finalised=Finalisation(seconds, total, whole_second(now), by))
    data = {"seconds": seconds, "currency": "USD", "billed_by": rental.billed_by, "by": by} | facts.money(
        "final_cost", total
    )
    return rental, (Fact("RentalFinalised", now, data),)


def ends_the_rental(rental: Rental) -> bool:
    """Whether the present operation, when done, is settled as an end (of the whole rental)."""
    operation = rental.operation
    return operation is not None and (
        operation.work is Work.END or (operation.work is Work.PROVISION and operation.undoing)
    )
