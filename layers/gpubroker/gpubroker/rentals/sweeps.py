"""What puts right whatever the workflows left: time that is up, work that died, orphans, ghosts.

Orphan: at a provider with our label, but no rental wants it. Ghost: wanted by a rental, but not at its provider.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from gpubroker.kernel.errors import Conflict, PaymentRequired
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock
from gpubroker.rentals import endings, failures, labels, rules, scaling, terms
from gpubroker.rentals.findings import Findings
from gpubroker.rentals.ports import BadCredentials, Compute, Instance, OfferSource, ProviderError
from gpubroker.rentals.rental import Account, Member, MemberPhase, Rental, Work
from gpubroker.rentals.repository import RentalNotFound, Rentals
from gpubroker.rentals.rules import Step
from gpubroker.rentals.steps import Steps, execution_name, work_input

STARTS = 3
"""How often work that nobody has begun is started before it is given up."""

OWN_ACCOUNTS_S = 150.0
"""Seconds of a provider's sweep (it lives 240) after which no further account of a customer is begun."""


class DueSweep:
    """Each minute: every rental whose moment has come (terms.due_at)."""

    def __init__(self, *, rentals: Rentals, offers: OfferSource, compute: Compute, steps: Steps, clock: Clock):
        self._rentals, self._offers, self._compute = rentals, offers, compute
        self._steps, self._clock = steps, clock

    def run(self) -> Findings:
        """One rental's trouble never costs the others; it is told in the findings, stays due and comes again."""
        findings = Findings()
        for tenant, rental_id in self._rentals.due(self._clock()):
            try:
                findings.note(self.attend(tenant, rental_id), rental_id)
            except Exception as error:
                findings.failed(rental_id, error)
        return findings

    def attend(self, tenant: str, rental_id: str) -> str:
        """Do what is due for one rental. Returns what that was."""
        rental, now = self._rentals.of(tenant, rental_id), self._clock()
        if rental.phase.over:
            return "nothing"
        if terms.time_is_up(rental, now):
            return self._renew(rental) if rental.auto_renew else self._expire(rental, None)
        if terms.overdue(rental, now):
            return self._mend(rental)
        return "nothing"

    def _expire(self, rental: Rental, notice: str | None) -> str:
        now = self._clock()
        self._rentals.change(rental.tenant, rental.rental_id, lambda r: terms.expire(r, now, notice=notice))
        return "expired"

    def _renew(self, rental: Rental) -> str:
        try:
            prices = {m.member_id: p for m in rental.live_members if (p := self._price_now(rental, m)) is not None}
        except BadCredentials:
            if rental.integration is None:
                raise
            return self._expire(rental, f"Not renewed: {rental.offer.provider} refuses your key.")
        now = self._clock()
        try:
            self._rentals.change(rental.tenant, rental.rental_id, lambda r: terms.renew(r, prices, now))
        except terms.PriceRefused as refused:
            return self._expire(rental, f"Not renewed: {refused}")
        except (Conflict, PaymentRequired) as refused:
            return self._expire(rental, f"Not renewed: {refused.detail}")
        return "renewed"

    def _price_now(self, rental: Rental, member: Member) -> MicroUsd | None:
        """The price of this moment: as offered, else as the provider bills the instance (what is rented is often
        offered no more); None when neither is told, and then the agreed price stays."""
        offered = self._offers.offer(member.offer.offer_id)
        if offered is not None:
            return offered.with_disk(rental.launch.disk_gb).price_micros
        if member.instance_id is None:
            return None
        instance = self._compute.get(rental.account_at(member.offer.provider), member.instance_id)
        return instance.price_micros if instance else None

    def _mend(self, rental: Rental) -> str:
        """Look after work that is due. While its workflow runs, it is left alone; else it is started again when nothing
        of it has been done, undone when it was going forward, taken up again when it was ending something."""
        operation = rental.operation
        if operation is None:
            return "nothing"
        if self._steps.running(operation.work, execution_name(operation)):
            self._rentals.change(rental.tenant, rental.rental_id, lambda r: terms.left_alone(r, self._clock()))
            return "left_alone"
        forward = not operation.undoing and operation.work in (Work.PROVISION, Work.ADD)
        untouched = not any(rental.member(member_id).asked for member_id in operation.members)
        if forward and not (untouched and operation.attempt < STARTS):
            rental = self._rentals.change(rental.tenant, rental.rental_id, self._given_up)
            return self._start(rental, "undone")
        rental = self._rentals.change(rental.tenant, rental.rental_id, lambda r: terms.restarted(r, self._clock()))
        return self._start(rental, "restarted")

    def _given_up(self, rental: Rental) -> Step:
        now, operation = self._clock(), rental.operation
        if operation is None or not terms.overdue(rental, now):
            return rental, ()
        if operation.work is Work.ADD:
            rental, told = scaling.undo_addition(rental, operation.operation_id, failures.STUCK, now)
        else:
            rental, told = rules.undo(rental, operation.operation_id, failures.STUCK, now)
        return _counted(rental), told

    def _start(self, rental: Rental, what: str) -> str:
        operation = rental.operation
        if operation is not None:
            self._steps.start(operation.work, execution_name(operation), work_input(rental, operation))
        return what


def _counted(rental: Rental) -> Rental:
    """The next attempt at the operation: its workflow needs a name of its own."""
    operation = rental.operation
    if operation is None:
        return rental
    return replace(rental, operation=replace(operation, attempt=operation.attempt + 1))


class ProviderSweep:
    """Every few minutes and for each provider: what it has of ours against what the rentals say, in our account and in
    those of customers that have rentals there.

    A customer's account is theirs: in it, nothing is touched but what carries the label of a rental of this customer
    that runs there, and by then is wanted no more.
    """

    def __init__(
        self,
        *,
        rentals: Rentals,
        compute: Compute,
        clock: Clock,
        deployment: str,
        elapsed: Callable[[], float] = time.monotonic,
        shuffle: Callable[[list[Account]], None] = random.shuffle,
    ):
        self._rentals, self._compute, self._clock, self._deployment = rentals, compute, clock, deployment
        self._elapsed, self._shuffle = elapsed, shuffle

    def run(self, provider: str) -> Findings:
        """Raises ProviderError when the provider does not answer for our account: silence never makes a ghost.

        Customers' accounts come in no order, as many as there is time for; the trouble of one costs no other.
        """
        findings, begun, failure = Findings(), self._elapsed(), None
        ours, there = Account(provider), dict[labels.Label, list[Instance]]()
        try:
            there = self._labelled(ours)
        except ProviderError as error:
            failure = error
        rentals = list(self._rentals.open_rentals())
        if failure is None:
            self._compare(ours, there, _on(ours, rentals), findings)
        accounts = [*{one.account_at(provider) for one in rentals if one.offer.provider == provider} - {ours}]
        self._shuffle(accounts)
        for account in accounts:
            if self._elapsed() - begun > OWN_ACCOUNTS_S:
                findings.note("accounts_left", str(account.tenant))
            else:
                self._visit(account, _on(account, rentals), findings)
        if failure is not None:
            raise failure
        return findings

    def _visit(self, account: Account, rentals: dict[str, Rental], findings: Findings) -> None:
        """A customer's account."""
        try:
            self._compare(account, self._labelled(account), rentals, findings)
        except BadCredentials:
            findings.note("accounts_refused", str(account.tenant))
            for rental in rentals.values():
                self._rentals.change(rental.tenant, rental.rental_id, endings.refused)
        except ProviderError as error:
            findings.failed(f"{account.tenant}@{account.provider}", error)

    def _labelled(self, account: Account) -> dict[labels.Label, list[Instance]]:
        """What is alive there with a label of ours, by its label."""
        there: dict[labels.Label, list[Instance]] = {}
        for instance in self._compute.list(account):
            ours = labels.parse(instance.label, deployment=self._deployment)
            if ours is not None and instance.alive:
                there.setdefault(ours, []).append(instance)
        return there

    def _compare(
        self,
        account: Account,
        there: dict[labels.Label, list[Instance]],
        rentals: dict[str, Rental],
        findings: Findings,
    ) -> None:
        for name, instances in there.items():
            self._end_unwanted(account, name, instances, rentals.get(name.rental_id), findings)
        for rental in rentals.values():
            self._look_for_ghosts(account, rental, there, findings)

    def _end_unwanted(
        self, account: Account, name: labels.Label, instances: list[Instance], rental: Rental | None, findings: Findings
    ) -> None:
        member = _wanted(rental, name.member_id)
        if member is None:  # the index may lag: the item itself decides
            rental = self._really(name)
            here = rental is not None and rental.account_at(account.provider) == account
            if account.tenant is not None and not here:
                return  # named like one of ours, and not ours: the customer's own affair
            member = _wanted(rental, name.member_id) if here else None
        if member is None:
            unwanted = instances
        elif member.phase is MemberPhase.READY and any(one.instance_id == member.instance_id for one in instances):
            unwanted = [one for one in instances if one.instance_id != member.instance_id]
        else:
            unwanted = []  # being made or being ended: a workflow is at it, and sees all of them by their label
        for instance in unwanted:
            self._compute.end(account, instance.instance_id)
            findings.note("orphans_ended", f"{name.rental_id}/{name.member_id}/{instance.instance_id}")

    def _really(self, name: labels.Label) -> Rental | None:
        try:
            return self._rentals.of(self._rentals.tenant_of(name.rental_id), name.rental_id)
        except RentalNotFound:
            return None

    def _look_for_ghosts(
        self, account: Account, rental: Rental, there: dict[labels.Label, list[Instance]], findings: Findings
    ) -> None:
        sightings: dict[str, Instance | None] = {}
        for member in rental.members:
            if member.phase is not MemberPhase.READY or member.offer.provider != account.provider:
                continue
            listed = there.get(labels.Label(rental.rental_id, member.member_id), [])
            instance = next((one for one in listed if one.instance_id == member.instance_id), None)
            sightings[member.member_id] = instance if _runs(instance) else self._confirmed(account, member)
        if not sightings:
            return
        now = self._clock()
        self._rentals.change(rental.tenant, rental.rental_id, lambda r: endings.seen(r, sightings, now))
        for member_id, instance in sightings.items():
            if not _runs(instance):
                findings.note("members_lost", f"{rental.rental_id}/{member_id}")
                if instance is not None and instance.alive:
                    self._compute.end(account, instance.instance_id)

    def _confirmed(self, account: Account, member: Member) -> Instance | None:
        """A list may be incomplete: before an instance counts as lost, it is asked for by its id."""
        if member.instance_id is None:
            return None
        return self._compute.get(account, member.instance_id)


def _on(account: Account, rentals: Iterable[Rental]) -> dict[str, Rental]:
    """The rentals whose instances at this provider are in this account."""
    return {one.rental_id: one for one in rentals if one.account_at(account.provider) == account}


def _wanted(rental: Rental | None, member_id: str) -> Member | None:
    """The member, while it is wanted or a workflow is ending it."""
    if rental is None:
        return None
    member = next((one for one in rental.members if one.member_id == member_id), None)
    return member if member is not None and not member.phase.gone else None


def _runs(instance: Instance | None) -> bool:
    return instance is not None and instance.status in ("running", "pending")
