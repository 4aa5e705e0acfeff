"""What may happen to a rental on its way to ready, and back when it cannot be. Pure and total: state in, state and
facts out. A function that has nothing to do returns its rental unchanged, since AWS calls everything at least once.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.kernel.time import iso
from gpubroker.rentals import facts, nobodys_key
from gpubroker.rentals.caps import dollars
from gpubroker.rentals.cost import committed
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.funding import needed
from gpubroker.rentals.labels import label
from gpubroker.rentals.ports import Instance, OfferTerms
from gpubroker.rentals.rental import (
    Connection,
    Failure,
    Holding,
    Launch,
    Member,
    MemberPhase,
    Operation,
    Phase,
    Rental,
    Work,
    whole_second,
)

Step = tuple[Rental, tuple[Fact, ...]]

LOOK_AFTER = timedelta(minutes=3)
"""How long work is left alone before the sweep looks whether its workflow has begun, and still runs."""

CREATE_MAY_TAKE = timedelta(seconds=45)
"""Longer than the function that creates may live (30 s): past it, a create that was sent has had its effect."""


TOLERATED = Decimal("1.1")
"""How far a provider may bill an instance over the limit before it is undone. The customer pays the agreed price; this
bounds what the house pays on top, for storage that some offers leave out."""

MISSES = 3
"""A provider's list may lag behind its create: an instance counts as vanished at the third look without it."""


class OfferNotRentable(Conflict):
    code = "offer-not-rentable"
    title = "This offer cannot be rented here"


class PriceOverLimit(Conflict):
    code = "price-over-limit"
    title = "The offer's price is over your limit"


class OfferNotAvailable(Conflict):
    code = "offer-not-available"
    title = "Nothing of this offer is available at the moment"


class Superseded(Exception):
    """Something else happened to the rental meanwhile (mostly its end): this work has nothing more to do."""


class CreateInFlight(Exception):
    """A create was sent for this member and its outcome is not known: until it must have had its effect, no other."""


class InstanceFailed(Exception):
    """The provider made an instance that does not run."""


class BidTooLow(Exception):
    """The price of an interruptible machine rose over the bid between its reading and the order."""


class NotReadyYet(Exception):
    """Members are missing although every step before has succeeded: a fault that undoing repairs."""


def refuse_unfit(terms: OfferTerms, limit: MicroUsd | None) -> None:
    """Raise what makes this offer unfit to be rented, at most at `limit` micro-USD per hour."""
    if not terms.rentable:
        raise OfferNotRentable(
            f"Offers of {terms.provider} can be compared here but not rented; look for `rentable: true`.",
            offer_id=terms.offer_id,
        )
    if limit is not None and terms.price_micros > limit:
        disk = f" ({dollars(terms.disk_part_micros)} of it for the disk)" if terms.disk_part_micros else ""
        raise PriceOverLimit(
            f"The price is {dollars(terms.price_micros)} an hour{disk}, your max_total_price is {dollars(limit)}.",
            offer_id=terms.offer_id,
            price_per_hour=usd(terms.price_micros),
        )
    if not terms.available:
        raise OfferNotAvailable("The provider has none left of it; look for a similar offer.", offer_id=terms.offer_id)


def request(
    *,
    rental_id: str,
    caller: Caller,
    terms: OfferTerms,
    launch: Launch,
    count: int,
    duration: timedelta,
    limit: MicroUsd | None,
    auto_renew: bool,
    deployment: str,
    now: datetime,
    payer: str | None = None,
) -> Step:
    """A new rental. Without a limit of the caller's, the price of the order as it is now is the limit.

    payer: the account whose money is held; nobody's where the provider bills the customer itself.
    """
    terms = terms.with_disk(launch.disk_gb)
    refuse_unfit(terms, limit)
    rental = Rental(
        rental_id=rental_id,
        tenant=caller.tenant,
        requested_by=caller.subject,
        plan=caller.plan,
        offer=terms.agreed(),
        payer=payer if terms.integration is None else None,
        integration=terms.integration,
        launch=launch,
        duration=duration,
        max_price_micros=terms.price_micros if limit is None else limit,
        auto_renew=auto_renew,
        requested_at=now,
        notices=() if launch.ssh_public_key else (nobodys_key.NOTICE,),
    )
    rental = with_new_members(rental, [terms] * count, deployment=deployment)
    operation = Operation(
        rental_id, Work.PROVISION, tuple(m.member_id for m in rental.members), deadline=now + LOOK_AFTER
    )
    rental = holding(replace(rental, operation=operation))
    return rental, (facts.requested(rental),)


def with_new_members(rental: Rental, offers: list[OfferTerms], *, deployment: str) -> Rental:
    first = len(rental.members) + 1
    added = tuple(
        Member(
            member_id=(member_id := f"m{number}"),
            label=label(deployment, rental.rental_id, member_id),
            offer=terms.agreed(),
            price_micros=terms.price_micros,
        )
        for number, terms in enumerate(offers, first)
    )
    return replace(rental, members=rental.members + added)


def holding(rental: Rental) -> Rental:
    """The rental with what it takes of its tenant's caps and of its payer's money, as its state says: nothing once it
    is over.

    Instances count until they are gone at the provider; money is committed for one term of those that are wanted,
    unless the provider bills the customer itself.
    """
    funds = needed(rental) if rental.payer is not None else 0
    if rental.phase.over:
        return replace(rental, held=Holding(), funds=funds)
    standing = sum(not member.phase.gone for member in rental.members)
    seconds = int(rental.duration.total_seconds())
    charged = rental.live_members if rental.integration is None else ()
    micros = sum(committed(member.price_micros, seconds, 1) for member in charged)
    return replace(rental, held=Holding(1, standing, micros), funds=funds)


def working(rental: Rental, operation_id: str, *, undoing: bool = False) -> Operation:
    """The rental's operation, if it is this one and still going forward (or, asked so, backward)."""
    operation = rental.operation
    if operation is None or operation.operation_id != operation_id or operation.undoing is not undoing:
        raise Superseded(f"{operation_id} is not what is being done to {rental.rental_id}")
    return operation


def agree(rental: Rental, operation_id: str, terms: OfferTerms | None, now: datetime) -> Step:
    """The offer as it was read again: its price is what will be charged. Raises what makes it unfit."""
    operation = working(rental, operation_id)
    if rental.phase is Phase.PROVISIONING:
        return rental, ()
    if rental.phase is not Phase.REQUESTED:
        raise Superseded(f"{rental.rental_id} is {rental.phase}")
    if terms is None:
        raise OfferNotAvailable("The offer vanished from its provider.")
    terms = terms.with_disk(rental.launch.disk_gb)
    refuse_unfit(terms, rental.max_price_micros)
    members = tuple(replace(member, offer=terms.agreed(), price_micros=terms.price_micros) for member in rental.members)
    operation = replace(operation, deadline=now + LOOK_AFTER)
    rental = replace(rental, phase=Phase.PROVISIONING, members=members, operation=operation)
    return holding(rental), ()


def about_to_create(rental: Rental, operation_id: str, member_id: str, now: datetime) -> Step:
    """Note that a create is being sent, before it is: nobody else sends one meanwhile (CreateInFlight), and whoever
    ends this member knows that it may still take effect."""
    working(rental, operation_id)
    member = rental.member(member_id)
    if not member.live:
        raise Superseded(f"{member_id} is {member.phase}")
    if member.phase is MemberPhase.READY:
        return rental, ()
    if member.create_until is not None and now < member.create_until:
        raise CreateInFlight(f"a create of {member.label} is in flight")
    member = replace(member, phase=MemberPhase.CREATING, asked=True, create_until=now + CREATE_MAY_TAKE)
    return rental.with_member(member), ()


def created(rental: Rental, member_id: str, instance: Instance | None) -> Step:
    """The outcome of a create is known (None: the provider said clearly that there is none).

    It is written whatever became of the rental meanwhile, so that an end knows what to end.
    """
    member = rental.member(member_id)
    if member.phase.gone:
        return rental, ()
    instance_id = instance.instance_id if instance else member.instance_id
    return rental.with_member(replace(member, create_until=None, instance_id=instance_id)), ()


def awaiting(rental: Rental, operation_id: str, member_id: str, token: str) -> Step:
    """Keep the workflow's task token in the rental: callback and poll read it from here and nowhere else."""
    working(rental, operation_id)
    member = rental.member(member_id)
    if not member.live:
        raise Superseded(f"{member_id} is {member.phase}")
    return rental.with_member(replace(member, task_token=token)), ()


def token_used(rental: Rental, member_id: str, token: str) -> Step:
    """The token has been answered: drop it, unless a later one has taken its place."""
    member = rental.member(member_id)
    if member.task_token != token:
        return rental, ()
    return rental.with_member(replace(member, task_token=None)), ()


def over_limit(rental: Rental, instance: Instance) -> str | None:
    """The sentence that says so, where the provider bills more than the limit and what is tolerated over it."""
    billed, limit = instance.price_micros, rental.max_price_micros
    if billed is None or billed <= TOLERATED * limit:
        return None
    return f"The provider bills {dollars(billed)} an hour for the instance, your max_total_price is {dollars(limit)}."


def observed(rental: Rental, member_id: str, instance: Instance | None, now: datetime) -> Step:
    """What the provider says of a member that is being created. From here on a running one is charged."""
    member = rental.member(member_id)
    if member.phase is not MemberPhase.CREATING:
        return rental, ()
    if instance is None and member.misses + 1 < MISSES:
        return rental.with_member(replace(member, misses=member.misses + 1)), ()
    if instance is None or instance.status in ("failed", "ended"):
        said = instance.native_status or instance.status if instance else "nothing of it"
        failure = Failure("instance-failed", f"{member.offer.provider} made an instance that does not run ({said}).")
        return rental.with_member(replace(member, failure=failure)), ()
    if dear := over_limit(rental, instance):
        return rental.with_member(replace(member, failure=Failure(PriceOverLimit.code, dear))), ()
    if instance.status != "running":
        return (rental.with_member(replace(member, misses=0)) if member.misses else rental), ()
    at = whole_second(now)
    member = replace(
        member,
        phase=MemberPhase.READY,
        instance_id=instance.instance_id,
        create_until=None,
        connection=Connection(instance.ssh_host, instance.ssh_port, instance.ssh_user, instance.jupyter_url),
        ready_at=at,
        seen_at=at,
        misses=0,
        charges=(rental.charge(member.price_micros, at, billed=instance.price_micros),),
    )
    return rental.with_member(member), ()


def conclude_ready(rental: Rental, operation_id: str, now: datetime) -> Step:
    """Every member runs: the customer has the rental, and its term begins."""
    if rental.phase is Phase.READY:
        return rental, ()
    operation = working(rental, operation_id)
    if not all(member.phase is MemberPhase.READY for member in rental.members):
        raise NotReadyYet(f"{rental.rental_id} has members that are not ready")
    ready = [member.ready_at for member in rental.members if member.ready_at is not None]
    ends_at = min(ready) + rental.duration  # so that no member is charged for more than the term that is held for
    rental = replace(rental, phase=Phase.READY, operation=None, ready_at=max(ready), ends_at=ends_at)
    data = {"operation_id": operation.operation_id, "ready_at": iso(max(ready)), "ends_at": iso(ends_at)}
    members = facts.member_data(rental.members)
    return holding(rental), (Fact("RentalReady", now, data | {"members": members}),)


def undo(rental: Rental, operation_id: str, failure: Failure, now: datetime) -> Step:
    """Give up making this rental: nothing of it is charged, everything of it is to be ended.

    Does nothing when an end has taken over meanwhile: that workflow ends everything, by the same labels.
    """
    operation = rental.operation
    if operation is None or operation.operation_id != operation_id or operation.work is not Work.PROVISION:
        return rental, ()
    if operation.undoing:
        return rental, ()
    members = tuple(failed(leaving(member, now, void=True), failure) for member in rental.members)
    operation = replace(operation, undoing=True, failure=failure, deadline=now + LOOK_AFTER)
    rental = replace(rental, phase=Phase.UNDOING, failure=failure, members=members, operation=operation)
    return holding(rental), ()


def leaving(member: Member, at: datetime, *, void: bool = False) -> Member:
    """A member on its way out: charged until `at` at the latest, or, when void, not at all.

    One for which no create was ever sent has nothing to be ended.
    """
    if member.phase is MemberPhase.ENDING or member.phase.gone:
        return replace(member, void=member.void or void)
    closed = member if void else closed_at(member, at)
    charges = () if void else closed.charges
    common = replace(member, charges=charges, void=void, over_at=whole_second(at))
    if not member.asked:
        return replace(common, phase=MemberPhase.UNDONE, gone_at=whole_second(at))
    return replace(common, phase=MemberPhase.ENDING)


def failed(member: Member, failure: Failure) -> Member:
    """Why the member did not come about: its own reason, else that of the whole work."""
    return replace(member, failure=member.failure or failure)


def closed_at(member: Member, at: datetime) -> Member:
    """The open charge ends at `at`, never before it began."""
    if not member.charges or member.charges[-1].until is not None:
        return member
    last = member.charges[-1]
    closed = replace(last, until=max(last.since, whole_second(at)))
    return replace(member, charges=(*member.charges[:-1], closed))


Change = Callable[[Rental], Step]
