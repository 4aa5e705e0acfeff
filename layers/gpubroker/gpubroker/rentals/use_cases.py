"""What callers may do with rentals: ask for one, see it, scale it, end it; and what services and administrators may.

Each request is at most two calls to AWS: one read, one transaction (the reading of a stored answer comes on top,
only where a key was used before).
"""

import time
from collections.abc import Callable
from typing import Literal

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, NotFound, Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.money import MicroUsd, micros, usd
from gpubroker.kernel.money import cost as cost_of
from gpubroker.kernel.time import Clock, iso
from gpubroker.rentals import callbacks, endings, rules, scaling
from gpubroker.rentals.items import RentalItem
from gpubroker.rentals.looks import Look, Looks
from gpubroker.rentals.ports import Funds, OfferSource, OfferTerms
from gpubroker.rentals.rental import MemberPhase, Phase, Rental
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import (
    EstimateRequest,
    FinalizeRequest,
    RentalRequest,
    ScaleRequest,
    SwitchRequest,
    seconds_of,
)
from gpubroker.rentals.rules import Step
from gpubroker.rentals.views import (
    CallbackView,
    EstimateLine,
    EstimateView,
    InvoiceView,
    RentalPage,
    RentalView,
    SwitchView,
    plain,
)
from gpubroker.storage import idempotency as stored

_LOOK_EVERY_SECONDS = 0.5


class OfferNotFound(NotFound):
    code = "offer-not-found"
    title = "There is no such offer"


class OfferNotPriced(Conflict):
    code = "offer-not-priced"
    title = "The provider of this offer tells no price for it"


class Desk:
    """The use cases, with what they need."""

    def __init__(
        self,
        *,
        rentals: Rentals,
        offers: OfferSource,
        funds: Funds,
        clock: Clock,
        deployment: str,
        sleep: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ):
        self._rentals, self._offers, self._funds, self._deployment = rentals, offers, funds, deployment
        self._clock, self._sleep, self._elapsed = clock, sleep, elapsed

    def request(self, caller: Caller, wanted: RentalRequest, idempotency: Idempotency | None) -> RentalView:
        """Ask for a rental: accepted and held for, not made yet. The same key and body give the same rental.

        Raises OfferNotFound, OfferNotRentable, OfferNotAvailable, PriceOverLimit, CapReached, RentalsStopped,
        IntegrationGone, InsufficientFunds, BudgetExceeded. On the caller's own account at the offer's provider, where
        they have one; then nothing is held.
        """
        try:
            return self._request(caller, wanted, idempotency)
        except Problem as problem:
            return self._replayed(idempotency, problem)

    def _request(self, caller: Caller, wanted: RentalRequest, idempotency: Idempotency | None) -> RentalView:
        terms, now = self._offers.offer_for(caller.tenant, wanted.offer_id), self._clock()
        if terms is None:
            raise _no_offer(wanted.offer_id)
        payer = None if terms.integration else self._funds.payer_of(caller, wanted.account_id)
        rental, facts = rules.request(
            rental_id=new_id("ren", now_ms=lambda: int(now.timestamp() * 1000)),
            caller=caller,
            terms=terms,
            launch=wanted.launch(),
            count=wanted.count,
            duration=wanted.duration,
            limit=_micros(wanted),
            auto_renew=wanted.auto_renew,
            deployment=self._deployment,
            now=now,
            payer=payer.account_id if payer else None,
        )
        rental = self._rentals.create(rental, facts, payer=payer, idempotency=idempotency, answer=self._stored)
        return self._view(rental)

    def rental_of(self, caller: Caller, rental_id: str) -> RentalView:
        return self._view(self._rentals.of(caller.tenant, rental_id))

    def page_of(self, caller: Caller, limit: int, before: str | None) -> tuple[RentalPage, str | None]:
        """One page and the rental id that the next begins before (None on the last)."""
        found = self._rentals.newest_of(caller.tenant, limit + 1, before=before)
        position = found[limit - 1].rental_id if len(found) > limit else None
        return RentalPage(rentals=[self._view(one) for one in found[:limit]], next_cursor=None), position

    def scale(
        self, caller: Caller, rental_id: str, wanted: ScaleRequest, idempotency: Idempotency | None
    ) -> RentalView:
        """Ask for more or fewer instances. Raises NotScalable, RentalBusy, ScaleTooFar, CapReached, RentalsStopped."""
        now = self._clock()

        def rule(rental: Rental) -> Step:
            if wanted.action == "add":
                return scaling.add(rental, wanted.count, plan=caller.plan, deployment=self._deployment, now=now)
            return scaling.remove(rental, wanted.count, now=now)

        return self._changed(caller, rental_id, rule, idempotency, new_instances=wanted.action == "add")

    def end(self, caller: Caller, rental_id: str, idempotency: Idempotency | None) -> RentalView:
        """Ask for the end: charging stops at this moment. Asking twice is harmless."""
        now = self._clock()
        return self._changed(
            caller, rental_id, lambda r: endings.end(r, at=now, now=now, reason="requested"), idempotency
        )

    def _changed(
        self,
        caller: Caller,
        rental_id: str,
        rule: rules.Change,
        idempotency: Idempotency | None,
        *,
        new_instances: bool = False,
    ) -> RentalView:
        try:
            rental = self._rentals.change(
                caller.tenant,
                rental_id,
                rule,
                new_instances=new_instances,
                idempotency=idempotency,
                answer=self._stored,
            )
        except Problem as problem:
            return self._replayed(idempotency, problem)
        return self._view(rental)

    def settled(self, caller: Caller, rental: RentalView, seconds: int) -> RentalView:
        """The rental once it stands still (ready or over, nothing under way), at most `seconds` from now."""
        until = self._elapsed() + seconds
        while not stands_still(rental) and (left := until - self._elapsed()) > 0:
            self._sleep(min(_LOOK_EVERY_SECONDS, left))
            rental = self.rental_of(caller, rental.rental_id)
        return rental

    def estimate(self, wanted: EstimateRequest) -> EstimateView:
        """What a rental would cost at the price of now. Raises OfferNotFound, OfferNotPriced."""
        terms, seconds = self._terms(wanted.offer_id), seconds_of(wanted.duration)
        if not terms.priced:
            raise OfferNotPriced(f"The provider {terms.provider} tells no price for {terms.offer_id}.")
        terms = terms.with_disk(wanted.options.disk_gb)
        each = cost_of(terms.price_micros, seconds)
        count = wanted.options.count
        return EstimateView(
            offer_id=terms.offer_id,
            provider=terms.provider,
            duration_hours=seconds / 3600,
            count=count,
            price_per_hour=usd(terms.price_micros),
            price_per_hour_micros=terms.price_micros,
            subtotal_per_instance=usd(each),
            subtotal_per_instance_micros=each,
            estimated_cost=usd(each * count),
            estimated_cost_micros=each * count,
            breakdown=_breakdown(terms, seconds, each, count),
            rentable=terms.rentable,
            renews=wanted.options.auto_renew,
            priced_at=iso(terms.fetched_at) if terms.fetched_at else None,
        )

    def finalize(self, caller: Caller, wanted: FinalizeRequest) -> InvoiceView:
        """Confirm what a rental that is over costs: what was used, or less.

        Raises NotEnded, MoreThanUsed, AlreadyFinal.
        """
        now, seconds = self._clock(), round(wanted.final_duration * 3600)
        tenant = self._rentals.tenant_of(wanted.rental_id)
        rental = self._rentals.change(
            tenant, wanted.rental_id, lambda r: endings.finalise(r, seconds, by=caller.subject, now=now)
        )
        return InvoiceView.of(rental, now)

    def set_switch(self, caller: Caller, wanted: SwitchRequest) -> SwitchView:
        """Stop all new rentals, or let them come again."""
        switch = self._rentals.set_switch(wanted.stopped, reason=wanted.reason, by=caller, now=self._clock())
        return SwitchView.of(switch)

    def switch(self) -> SwitchView:
        return SwitchView.of(self._rentals.switch())

    def _terms(self, offer_id: str) -> OfferTerms:
        terms = self._offers.offer(offer_id)
        if terms is None:
            raise _no_offer(offer_id)
        return terms

    def _replayed(self, idempotency: Idempotency | None, problem: Problem) -> RentalView:
        """The stored answer, where this very request took effect before; else the problem it met now."""
        if idempotency is None:
            raise problem
        try:
            answer = stored.replay(RentalItem, idempotency)
        except stored.KeyReused:
            raise
        except Problem:
            raise problem from None  # the key was never used: what it met now is the answer
        return RentalView.model_validate(answer)

    def _stored(self, rental: Rental) -> dict[str, object]:
        return plain(self._view(rental))

    def _view(self, rental: Rental) -> RentalView:
        return RentalView.of(rental, self._clock())


def _breakdown(terms: OfferTerms, seconds: int, each: MicroUsd, count: int) -> list[EstimateLine]:
    """Compute, and disk where some of the price is for it: an instance is rounded once, so disk is what is left."""
    compute = cost_of(terms.price_micros - terms.disk_part_micros, seconds)
    parts: list[tuple[Literal["compute", "disk"], MicroUsd, MicroUsd]] = [
        ("compute", terms.price_micros - terms.disk_part_micros, compute)
    ]
    if terms.disk_part_micros:
        parts.append(("disk", terms.disk_part_micros, each - compute))
    return [
        EstimateLine(
            item=item,
            price_per_hour=usd(price),
            price_per_hour_micros=price,
            cost_per_instance=usd(cost),
            cost_per_instance_micros=cost,
            cost=usd(cost * count),
            cost_micros=cost * count,
        )
        for item, price, cost in parts
    ]


def stands_still(rental: RentalView) -> bool:
    return rental.operation is None and (rental.status is Phase.READY or rental.status.over)


def location(rental: RentalView) -> str:
    return f"/api/v2/rentals/{rental.rental_id}"


class CallbackDesk:
    """Takes the callbacks of instances and providers."""

    def __init__(self, *, rentals: Rentals, looks: Looks):
        self._rentals, self._looks = rentals, looks

    def accept(self, token: str) -> CallbackView:
        """A member has news: have it looked at. Late ones are answered politely. Raises UnknownCallback."""
        tenant, rental_id, member_id = callbacks.read(token)
        rental = self._rentals.of(tenant, rental_id)
        member = next((one for one in rental.members if one.member_id == member_id), None)
        if member is None:
            raise callbacks.UnknownCallback
        if member.phase is not MemberPhase.CREATING or member.task_token is None:
            return CallbackView(accepted=False, detail="Nothing waits for this; it is known already.")
        self._looks.ask(Look(tenant, rental_id, member_id, turn=-1), delay_seconds=0)
        return CallbackView(accepted=True, detail="It is being looked at.")


def _no_offer(offer_id: str) -> OfferNotFound:
    return OfferNotFound(f"There is no offer {offer_id}, or not any more.")


def _micros(wanted: RentalRequest) -> int | None:
    return None if wanted.max_total_price is None else micros(wanted.max_total_price)
