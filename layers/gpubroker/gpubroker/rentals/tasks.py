"""The steps of the workflows (statemachines/rentals/). Each reads the rental, does one thing, and writes what came
of it; each may be called again at any point, and gets on from what the rental says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpubroker.kernel.time import Clock
from gpubroker.rentals import callbacks, endings, failures, rules, scaling
from gpubroker.rentals.looks import Look, Looks, delay_before
from gpubroker.rentals.nobodys_key import nobodys_key
from gpubroker.rentals.ports import (
    BadCredentials,
    Compute,
    Instance,
    NoCapacity,
    OfferGone,
    OfferSource,
    Order,
    ProviderError,
    QuotaExceeded,
    RateLimited,
)
from gpubroker.rentals.rental import Member, MemberPhase, Rental, Work
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.rules import BidTooLow, CreateInFlight, InstanceFailed, PriceOverLimit, Step, Superseded
from gpubroker.rentals.steps import Steps

SIMILAR = 20
"""How many similar offers are considered for an addition."""


@dataclass(frozen=True, slots=True)
class WorkOn:
    """What a workflow is told, and so what each of its steps is told."""

    tenant: str
    rental_id: str
    operation_id: str

    @classmethod
    def of(cls, event: dict[str, Any]) -> "WorkOn":
        return cls(event["tenant"], event["rental_id"], event["operation_id"])


class Tasks:
    def __init__(
        self,
        *,
        rentals: Rentals,
        offers: OfferSource,
        compute: Compute,
        steps: Steps,
        looks: Looks,
        clock: Clock,
        deployment: str,
    ):
        self._rentals, self._offers, self._compute = rentals, offers, compute
        self._steps, self._looks, self._clock, self._deployment = steps, looks, clock, deployment

    def plan(self, work: WorkOn) -> dict[str, Any]:
        """What is to be done: `forward` (make these members), `backward` (end these), or `nothing` any more.

        Going forward, the offer is read again and its price agreed. Raises what makes it unfit, or CapReached.
        """
        rental = self._rentals.of(work.tenant, work.rental_id)
        operation = rental.operation
        if operation is None or operation.operation_id != work.operation_id:
            return _plan("nothing", ())
        if operation.undoing or operation.work in (Work.END, Work.REMOVE):
            return _plan("backward", _not_gone(rental, operation.members))
        try:
            rental = self._agreed(rental, work)
        except Superseded:
            return _plan("nothing", ())
        return _plan("forward", operation.members)

    def _agreed(self, rental: Rental, work: WorkOn) -> Rental:
        now, own = self._clock(), self._offers.offer(rental.offer.offer_id)
        if rental.operation is not None and rental.operation.work is Work.ADD:
            fit = own is not None and scaling.is_fit(rental, own)
            similar = [] if fit else self._offers.similar(rental.offer, SIMILAR)
            return self._change(work, lambda r: scaling.agree_added(r, work.operation_id, own, similar, now))
        return self._change(work, lambda r: rules.agree(r, work.operation_id, own, now))

    def create(self, work: WorkOn, member_id: str) -> dict[str, Any]:
        """Make the member's instance, or find the one that an earlier try has made.

        Raises the provider's errors; CreateInFlight while an earlier create may still take effect; Superseded.
        """
        in_flight = False
        try:
            rental = self._change(work, lambda r: rules.about_to_create(r, work.operation_id, member_id, self._clock()))
        except CreateInFlight:
            in_flight, rental = True, self._rentals.of(work.tenant, work.rental_id)
        member = rental.member(member_id)
        if member.phase is MemberPhase.READY:
            return _member(work, member_id)
        found = self._alive(rental, member)
        if not found and in_flight:
            raise CreateInFlight(f"a create of {member.label} is in flight")
        instance = found[0] if found else self._create(work, rental, member)
        for extra in found[1:]:
            self._compute.end(rental.account_at(member.offer.provider), extra.instance_id)
        self._change(work, lambda r: rules.created(r, member_id, instance))
        if instance.bid_too_low:
            raise BidTooLow(f"{member.label} needs a higher bid")
        if dear := rules.over_limit(rental, instance):
            raise PriceOverLimit(dear)
        if instance.status == "failed":
            raise InstanceFailed(f"{member.label} failed at once")
        return _member(work, member_id)

    def _create(self, work: WorkOn, rental: Rental, member: Member) -> Instance:
        launch = rental.launch
        url = callbacks.url_of(rental.tenant, rental.rental_id, member.member_id)
        order = Order(
            label=member.label,
            offer_id=member.offer.offer_id,
            account=rental.account_at(member.offer.provider),
            ssh_public_key=launch.ssh_public_key or nobodys_key(),
            image=launch.image,
            disk_gb=launch.disk_gb,
            env=launch.env | {callbacks.VARIABLE: url},
            start_script=launch.start_script,
        )
        try:
            return self._compute.create(order)
        except (NoCapacity, BadCredentials, QuotaExceeded, OfferGone, RateLimited):
            # The provider has answered: nothing is in flight. What it may have made all the same is found by its
            # label, by the next try or by the undoing.
            self._change(work, lambda r: rules.created(r, member.member_id, None))
            raise

    def wait(self, work: WorkOn, member_id: str, token: str) -> None:
        """Keep the task token, and have the member looked at until the token can be answered."""
        rental = self._change(work, lambda r: rules.awaiting(r, work.operation_id, member_id, token))
        if rental.member(member_id).phase is MemberPhase.READY:
            self._answer(rental, member_id)
        else:
            self._looks.ask(Look(work.tenant, work.rental_id, member_id), delay_seconds=delay_before(0))

    def look(self, look: Look) -> str:
        """Ask the provider about a member that a workflow waits for; answer the workflow when there is an answer.

        Returns what came of it: ready, failed, superseded, waiting, or ignored (nobody waits: the look is late).
        """
        rental = self._rentals.of(look.tenant, look.rental_id)
        member = rental.member(look.member_id)
        if member.task_token is None:
            return "ignored"
        if member.phase is MemberPhase.CREATING and member.failure is None:
            try:
                instance = self._told(rental, member)
            except ProviderError:
                return self._look_later(look)  # no news; the waiting state's timeout bounds how long that may last
            rental = self._rentals.change(
                look.tenant,
                look.rental_id,
                lambda r: rules.observed(r, look.member_id, instance, self._clock()),
            )
        return self._answer(rental, look.member_id) or self._look_later(look)

    def _look_later(self, look: Look) -> str:
        if look.turn >= 0:
            after = Look(look.tenant, look.rental_id, look.member_id, look.turn + 1)
            self._looks.ask(after, delay_seconds=delay_before(after.turn))
        return "waiting"

    def _answer(self, rental: Rental, member_id: str) -> str | None:
        """Tell the waiting state what became of the member, once that is known; then drop the token."""
        member = rental.member(member_id)
        token = member.task_token
        if token is None:
            return "ignored"
        if member.phase is MemberPhase.READY:
            self._steps.succeed(token, {"member_id": member_id, "instance_id": member.instance_id})
            outcome = "ready"
        elif member.phase is not MemberPhase.CREATING:
            self._steps.fail(token, "Superseded", f"{member_id} is {member.phase}")
            outcome = "superseded"
        elif member.failure is not None:
            self._steps.fail(token, failures.error_of(member.failure), member.failure.detail)
            outcome = "failed"
        else:
            return None
        self._rentals.change(rental.tenant, rental.rental_id, lambda r: rules.token_used(r, member_id, token))
        return outcome

    def end(self, work: WorkOn, member_id: str) -> dict[str, Any]:
        """End whatever the provider has of a member, and look that it is gone. Raises StillThere until it is.

        Where the provider refuses the customer's own key, nothing can be seen or ended: see endings.out_of_reach.
        """
        rental = self._rentals.of(work.tenant, work.rental_id)
        member = rental.member(member_id)
        if member.phase is not MemberPhase.ENDING:
            return _member(work, member_id)
        try:
            found = self._alive(rental, member)
            for instance in found:
                self._compute.end(rental.account_at(member.offer.provider), instance.instance_id)
            still_there = bool(found and self._alive(rental, member))
        except BadCredentials:
            if rental.integration is None:
                raise
            self._change(work, lambda r: endings.out_of_reach(r, member_id, self._clock()))
            return _member(work, member_id)
        if still_there:
            raise endings.StillThere(f"{member.label} is still at {member.offer.provider}")
        if endings.must_wait(rental, member_id, self._clock()):
            raise endings.StillThere(f"a create of {member.label} may still take effect")
        self._change(work, lambda r: endings.member_gone(r, member_id, self._clock()))
        return _member(work, member_id)

    def conclude(self, work: WorkOn) -> dict[str, Any]:
        """All members are where they should be: say so, settle what is to be settled."""
        rental = self._change(work, lambda r: self._concluded(r, work))
        return {"rental_id": rental.rental_id, "phase": rental.phase.value}

    def _concluded(self, rental: Rental, work: WorkOn) -> Step:
        now, operation = self._clock(), rental.operation
        if operation is None or operation.operation_id != work.operation_id:
            return rental, ()
        if endings.ends_the_rental(rental):
            return endings.conclude_end(rental, now)
        if operation.work is Work.PROVISION:
            return rules.conclude_ready(rental, work.operation_id, now)
        return scaling.conclude_scaling(rental, work.operation_id, now)

    def undo(self, work: WorkOn, error: dict[str, str]) -> dict[str, Any]:
        """Turn back: what is to be ended now (`backward`), or `nothing` when something else has taken over."""
        now = self._clock()

        def rule(rental: Rental) -> Step:
            failure = failures.of_task(error, rental.billed_by)
            if rental.operation is not None and rental.operation.work is Work.ADD:
                return scaling.undo_addition(rental, work.operation_id, failure, now)
            return rules.undo(rental, work.operation_id, failure, now)

        rental = self._change(work, rule)
        operation = rental.operation
        if operation is None or operation.operation_id != work.operation_id or not operation.undoing:
            return _plan("nothing", ())
        return _plan("backward", _not_gone(rental, operation.members))

    def replace(self, work: WorkOn, member_id: str, error: dict[str, str]) -> dict[str, Any]:
        """Give up a member that cannot be had, and put one of a similar offer in its place (additions only)."""
        now = self._clock()
        rental = self._rentals.of(work.tenant, work.rental_id)
        similar = self._offers.similar(rental.offer, SIMILAR)

        def rule(before: Rental) -> Step:
            if before.member(member_id).replaced_by is not None:
                return before, ()
            failure = failures.of_task(error, before.billed_by)
            after, _ = scaling.give_up(before, work.operation_id, member_id, failure, now)
            return scaling.replaced(after, work.operation_id, member_id, similar, deployment=self._deployment)

        successor = self._change(work, rule).member(member_id).replaced_by
        return {"given_up": member_id, "member_id": successor}

    def _change(self, work: WorkOn, rule: rules.Change) -> Rental:
        return self._rentals.change(work.tenant, work.rental_id, rule)

    def _alive(self, rental: Rental, member: Member) -> list[Instance]:
        """What the provider has with the member's label; the one we know by its id comes first."""
        account = rental.account_at(member.offer.provider)
        found = {one.instance_id: one for one in self._compute.find(account, member.label) if one.alive}
        if member.instance_id is not None and member.instance_id not in found:
            known = self._compute.get(account, member.instance_id)
            if known is not None and known.alive:
                found[known.instance_id] = known
        return sorted(found.values(), key=lambda one: (one.instance_id != member.instance_id, one.instance_id))

    def _told(self, rental: Rental, member: Member) -> Instance | None:
        if member.instance_id is not None:
            return self._compute.get(rental.account_at(member.offer.provider), member.instance_id)
        found = self._alive(rental, member)
        return found[0] if found else None


def _not_gone(rental: Rental, members: Sequence[str]) -> list[str]:
    return [member_id for member_id in members if not rental.member(member_id).phase.gone]


def _member(work: WorkOn, member_id: str) -> dict[str, Any]:
    return {"rental_id": work.rental_id, "member_id": member_id}


def _plan(way: str, members: Sequence[str]) -> dict[str, Any]:
    return {"way": way, "members": list(members)}
