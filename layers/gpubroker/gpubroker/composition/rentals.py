"""What rentals need of offers (rentals/ports.py), and their use cases with everything they need."""

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from gpubroker.composition import books, market

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from gpubroker.kernel.caller import Caller
    from gpubroker.offers.instances.port import Instance as ProviderInstance
    from gpubroker.offers.instances.port import InstanceApi
    from gpubroker.offers.offer import Offer
    from gpubroker.rentals.ports import Compute, FeeSource, FeeSplit, Instance, OfferSource, OfferTerms, Order, Payer
    from gpubroker.rentals.rental import Account, AgreedOffer
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.steps import Starter
    from gpubroker.rentals.sweeps import DueSweep, ProviderSweep
    from gpubroker.rentals.tasks import Tasks
    from gpubroker.rentals.use_cases import CallbackDesk, Desk
    from gpubroker.resilience.breaker_store import BreakerStore
    from gpubroker.resilience.bulkhead import Bulkhead
    from gpubroker.storage.transaction import Writes

T = TypeVar("T")


@cache
def offer_source() -> "OfferSource":
    """Offers as rentals see them: one read each."""
    return _Offers()


@cache
def compute() -> "Compute":
    """The providers' instances as rentals see them."""
    return _Instances()


@cache
def rental_desk() -> "Desk":
    """What callers may do with rentals. Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.rentals.use_cases import Desk

    return Desk(
        rentals=repository(),
        offers=offer_source(),
        funds=_Funds(),
        fees=fee_source(),
        clock=utc_now,
        deployment=_rental_deployment(),
    )


@cache
def callback_desk() -> "CallbackDesk":
    from gpubroker.rentals.looks import LookQueue
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.use_cases import CallbackDesk

    return CallbackDesk(rentals=Rentals(), looks=LookQueue())


@cache
def rental_tasks() -> "Tasks":
    """The steps of the rental workflows. They speak to providers: outside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.rentals.looks import LookQueue
    from gpubroker.rentals.steps import StepFunctions
    from gpubroker.rentals.tasks import Tasks

    return Tasks(
        rentals=repository(),
        offers=offer_source(),
        compute=compute(),
        steps=StepFunctions(),
        looks=LookQueue(),
        clock=utc_now,
        deployment=_rental_deployment(),
    )


@cache
def workflow_starter() -> "Starter":
    from gpubroker.rentals.steps import Starter, StepFunctions

    return Starter(StepFunctions())


@cache
def due_sweep() -> "DueSweep":
    from gpubroker.kernel.time import utc_now
    from gpubroker.rentals.steps import StepFunctions
    from gpubroker.rentals.sweeps import DueSweep

    return DueSweep(
        rentals=repository(), offers=offer_source(), compute=compute(), steps=StepFunctions(), clock=utc_now
    )


@cache
def provider_sweep() -> "ProviderSweep":
    from gpubroker.kernel.time import utc_now
    from gpubroker.rentals.sweeps import ProviderSweep

    return ProviderSweep(rentals=repository(), compute=compute(), clock=utc_now, deployment=_rental_deployment())


def repository() -> "Rentals":
    """Rentals with all that their writes take part in: customers' own accounts, and the payers' money."""
    from gpubroker.rentals.repository import Rentals

    return Rentals(accounts=_OwnAccounts(), funds=_Funds())


def _rental_deployment() -> str:
    from gpubroker.rentals.labels import deployment_of

    return deployment_of(os.environ["RENTALS_TABLE"])


class _Offers:
    """rentals.ports.OfferSource over the snapshot."""

    def offer(self, offer_id: str) -> "OfferTerms | None":
        found = market.offer_lookup().offer(offer_id)
        return None if found is None else _terms_of(found)

    def offer_for(self, tenant: str, offer_id: str) -> "OfferTerms | None":
        from dataclasses import replace

        found, own = market.offer_lookup().offer_for(tenant, offer_id)
        if found is None:
            return None
        in_force = own is not None and own.status == "active"
        return replace(_terms_of(found), integration=own.integration_id if own and in_force else None)

    def similar(self, offer: "AgreedOffer", limit: int) -> "Sequence[OfferTerms]":
        lookup = market.offer_lookup()
        listed = lookup.offer(offer.offer_id)
        found = lookup.similar(listed, limit) if listed else lookup.like(offer.gpu_model, offer.gpu_count, limit=limit)
        return [_terms_of(one) for one in found if one.offer_id != offer.offer_id]


class _OwnAccounts:
    """rentals.ports.OwnAccounts over the integrations of offers."""

    def take(self, tx: "Writes", tenant: str, provider: str, rental_id: str, label: str) -> None:
        from gpubroker.offers.integrations import store
        from gpubroker.rentals.ports import IntegrationGone

        gone = IntegrationGone("It was removed, or is being removed. Ask again.", retry_after=1)
        store.note_use(tx, tenant, provider, store.Use(rental_id, label), lost=gone)

    def release(self, tx: "Writes", tenant: str, provider: str, rental_id: str) -> None:
        from gpubroker.offers.integrations import store

        store.forget_use(tx, tenant, provider, rental_id)


@cache
def fee_source() -> "FeeSource":
    """The fees of management as rentals see them: one read each."""
    return _Fees()


class _Fees:
    """rentals.ports.FeeSource over the fee configuration of management."""

    def split(self, cost: int, now: "datetime") -> "FeeSplit":
        from gpubroker.management.fee_store import FeeBook
        from gpubroker.management.fees import inclusive_split
        from gpubroker.rentals.ports import FeeSplit

        config = FeeBook().in_force(now)
        found = inclusive_split(cost, config.pct_of("buyer", 0), config.pct_of("seller", 0))
        return FeeSplit(found.amount, found.fees.buyer, found.fees.seller)


class _Funds:
    """rentals.ports.Funds over the ledger: one hold a rental, of the rental's id, captured into the order's escrow."""

    def payer_of(self, caller: "Caller", account_id: str | None) -> "Payer":
        from gpubroker.composition import accounts
        from gpubroker.kernel.time import utc_now
        from gpubroker.rentals.ports import Payer

        found = accounts.payers().payer_of(caller, account_id, now=utc_now())
        return Payer(found.account_id, found.budgets)

    def hold(self, tx: "Writes", rental_id: str, payer: "Payer", amount: int) -> None:
        from gpubroker.ledger.holds import NewHold

        reference = {"rental_id": rental_id}
        books.book().add_hold(
            tx, NewHold(rental_id, payer.account_id, amount, reference=reference, budget=payer.budgets)
        )

    def adjust(self, tx: "Writes", rental_id: str, account_id: str, amount: int) -> None:
        books.book().add_adjust(tx, rental_id, account_id, amount)

    def capture(self, tx: "Writes", rental_id: str, account_id: str, amount: int) -> None:
        capture_id, escrow = f"{rental_id}-capture", f"escrow:{rental_id}"
        books.book().add_capture(tx, rental_id, account_id, capture_id, amount, {escrow: amount})

    def release(self, tx: "Writes", rental_id: str, account_id: str) -> None:
        books.book().add_void(tx, rental_id, account_id)


class _Instances:
    """rentals.ports.Compute over the providers' adapters; errors keep their names, which the workflows go by."""

    def create(self, order: "Order") -> "Instance":
        from gpubroker.offers.instances.port import InstanceOrder
        from gpubroker.rentals import ports

        offer = market.offer_lookup().offer(order.offer_id)
        if offer is None:
            raise ports.OfferGone(order.offer_id)
        asked = InstanceOrder(
            label=order.label,
            offer=offer,
            ssh_public_key=order.ssh_public_key,
            image=order.image,
            disk_gb=order.disk_gb,
            env=order.env,
            start_script=order.start_script,
        )
        return _instance_of(_asked(order.account, lambda api: api.create(asked)))

    def find(self, account: "Account", label: str) -> "Sequence[Instance]":
        return [_instance_of(one) for one in _asked(account, lambda api: api.find(label))]

    def get(self, account: "Account", instance_id: str) -> "Instance | None":
        found = _asked(account, lambda api: api.get(instance_id))
        return None if found is None else _instance_of(found)

    def end(self, account: "Account", instance_id: str) -> None:
        _asked(account, lambda api: api.end(instance_id))

    def list(self, account: "Account") -> "Sequence[Instance]":
        return [_instance_of(one) for one in _asked(account, lambda api: api.list())]


def _asked(account: "Account", ask: "Callable[[InstanceApi], T]") -> "T":
    """What a provider's account answers, within the provider's limits and behind its circuit, which all Lambdas share
    through the rentals' table; the errors of the adapters as those of the port."""
    from gpubroker.offers.instances.accounts import asked
    from gpubroker.offers.instances.guarded import GuardedInstances

    slug = account.provider
    with _told_as_ports():
        return asked(
            slug,
            account.tenant,
            lambda api: ask(GuardedInstances(slug, api, _instance_breakers(), _instance_slots())),
        )


@cache
def _instance_breakers() -> "BreakerStore":
    from gpubroker.rentals.items import RentalItem
    from gpubroker.resilience.breaker_store import BreakerStore

    return BreakerStore(RentalItem._get_connection)


@cache
def _instance_slots() -> "Bulkhead":
    from gpubroker.rentals.items import RentalItem
    from gpubroker.resilience.bulkhead import Bulkhead

    return Bulkhead(RentalItem._get_connection)


def _terms_of(offer: "Offer") -> "OfferTerms":
    from decimal import Decimal

    from gpubroker.offers.offer import HOURS_PER_MONTH, Availability
    from gpubroker.rentals.ports import OfferTerms

    per_gb_month = offer.launch.get("storage_cost")
    return OfferTerms(
        offer_id=offer.offer_id,
        provider=offer.provider,
        gpu_model=offer.gpu_model,
        gpu_count=offer.gpu_count,
        region=offer.region,
        spot=offer.spot,
        price_micros=offer.price_micros_per_hour or 0,
        priced=offer.price_micros_per_hour is not None,
        rentable=offer.rentable and offer.price_micros_per_hour is not None,
        available=offer.availability is not Availability.UNAVAILABLE,
        fetched_at=offer.fetched_at,
        disk_micros_per_gb=None if per_gb_month is None else Decimal(per_gb_month) * 1_000_000 / HOURS_PER_MONTH,
        disk_included_gb=offer.launch.get("storage_gb", 0),
    )


def _instance_of(told: "ProviderInstance") -> "Instance":
    from gpubroker.rentals.ports import Instance

    return Instance(
        instance_id=told.instance_id,
        label=told.label or "",
        status=told.status.value,
        native_status=told.native_status,
        ssh_host=told.ssh_host,
        ssh_port=told.ssh_port,
        ssh_user=told.ssh_user,
        jupyter_url=told.jupyter_url,
        price_micros=told.price_micros_per_hour,
        bid_too_low=told.bid_too_low,
    )


@contextmanager
def _told_as_ports() -> "Iterator[None]":
    """Errors of the adapters as those of the port: the same names, since the state machines name them."""
    from gpubroker.offers.errors import ProviderError
    from gpubroker.rentals import ports

    try:
        yield
    except ProviderError as error:
        raise getattr(ports, type(error).__name__, ports.UnknownAnswer)(str(error)) from error
