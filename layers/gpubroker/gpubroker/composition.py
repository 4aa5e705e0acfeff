"""Where contexts meet: the only module that sees several of them (DESIGN §2).

Each factory imports what it joins when it is called, so that a function loads its own context and no other.
"""

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpubroker.delivery.notifications.ports import Address, Push
    from gpubroker.delivery.notifications.telling import Teller
    from gpubroker.delivery.notifications.use_cases import NotificationDesk
    from gpubroker.identity.verify import Verifier
    from gpubroker.offers.instances.port import Instance as ProviderInstance
    from gpubroker.offers.instances.port import InstanceApi
    from gpubroker.offers.lookup import OfferLookup
    from gpubroker.offers.offer import Offer
    from gpubroker.prices.alerts.alert import Quote, Selector
    from gpubroker.prices.alerts.firing import Firing
    from gpubroker.prices.alerts.matching import Matcher
    from gpubroker.prices.alerts.ports import Market
    from gpubroker.prices.alerts.use_cases import AlertDesk
    from gpubroker.rentals.ports import Compute, Instance, OfferSource, OfferTerms, Order
    from gpubroker.rentals.rental import AgreedOffer
    from gpubroker.rentals.steps import Starter
    from gpubroker.rentals.sweeps import DueSweep, ProviderSweep
    from gpubroker.rentals.tasks import Tasks
    from gpubroker.rentals.use_cases import CallbackDesk, Desk


@cache
def verifier() -> "Verifier":
    """Who a credential belongs to; the edge asks, identity knows."""
    from gpubroker.identity.verify import Verifier

    return Verifier()


# ------------------------------------------------------------------ rentals
# What rentals need of offers (rentals/ports.py), and its use cases with everything they need.


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
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.use_cases import Desk

    return Desk(rentals=Rentals(), offers=offer_source(), clock=utc_now, deployment=_rental_deployment())


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
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.steps import StepFunctions
    from gpubroker.rentals.tasks import Tasks

    return Tasks(
        rentals=Rentals(),
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
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.steps import StepFunctions
    from gpubroker.rentals.sweeps import DueSweep

    return DueSweep(rentals=Rentals(), offers=offer_source(), compute=compute(), steps=StepFunctions(), clock=utc_now)


@cache
def provider_sweep() -> "ProviderSweep":
    from gpubroker.kernel.time import utc_now
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.sweeps import ProviderSweep

    return ProviderSweep(rentals=Rentals(), compute=compute(), clock=utc_now, deployment=_rental_deployment())


def _rental_deployment() -> str:
    from gpubroker.rentals.labels import deployment_of

    return deployment_of(os.environ["RENTALS_TABLE"])


class _Offers:
    """rentals.ports.OfferSource over the snapshot."""

    def offer(self, offer_id: str) -> "OfferTerms | None":
        found = _offer_lookup().offer(offer_id)
        return None if found is None else _terms_of(found)

    def similar(self, offer: "AgreedOffer", limit: int) -> "Sequence[OfferTerms]":
        lookup = _offer_lookup()
        listed = lookup.offer(offer.offer_id)
        found = lookup.similar(listed, limit) if listed else lookup.like(offer.gpu_model, offer.gpu_count, limit=limit)
        return [_terms_of(one) for one in found if one.offer_id != offer.offer_id]


class _Instances:
    """rentals.ports.Compute over the providers' adapters; errors keep their names, which the workflows go by."""

    def create(self, order: "Order") -> "Instance":
        from gpubroker.offers.instances.port import InstanceOrder
        from gpubroker.rentals import ports

        offer = _offer_lookup().offer(order.offer_id)
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
        with _told_as_ports():
            return _instance_of(_instances_of(order.provider).create(asked))

    def find(self, provider: str, label: str) -> "Sequence[Instance]":
        with _told_as_ports():
            return [_instance_of(one) for one in _instances_of(provider).find(label)]

    def get(self, provider: str, instance_id: str) -> "Instance | None":
        with _told_as_ports():
            found = _instances_of(provider).get(instance_id)
        return None if found is None else _instance_of(found)

    def end(self, provider: str, instance_id: str) -> None:
        with _told_as_ports():
            _instances_of(provider).end(instance_id)

    def list(self, provider: str) -> "Sequence[Instance]":
        with _told_as_ports():
            return [_instance_of(one) for one in _instances_of(provider).list()]


@cache
def _offer_lookup() -> "OfferLookup":
    from gpubroker.offers.lookup import OfferLookup

    return OfferLookup()


def _instances_of(provider: str) -> "InstanceApi":
    from gpubroker.offers.instances.registry import instances_of

    return instances_of(provider)


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
        price_micros=offer.price_micros_per_hour,
        rentable=offer.rentable,
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


# ------------------------------------------------------------------ alerts
# What alerts need of offers (prices/alerts/ports.py), and their use cases.


@cache
def alert_market() -> "Market":
    return _AlertMarket()


@cache
def alert_desk() -> "AlertDesk":
    """What callers may do with alerts. Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.repository import Alerts
    from gpubroker.prices.alerts.use_cases import AlertDesk

    return AlertDesk(alerts=Alerts(clock=utc_now), market=alert_market(), clock=utc_now)


@cache
def alert_matcher() -> "Matcher":
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.matching import Matcher
    from gpubroker.prices.alerts.repository import Alerts
    from gpubroker.prices.alerts.workflow import Workflows

    return Matcher(alerts=Alerts(clock=utc_now), workflows=Workflows())


@cache
def alert_firing() -> "Firing":
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.alerts.firing import Firing
    from gpubroker.prices.alerts.repository import Alerts

    return Firing(alerts=Alerts(clock=utc_now), market=alert_market(), clock=utc_now)


class _AlertMarket:
    """prices.alerts.ports.Market over the tables of names and the snapshot."""

    def gpu(self, name: str) -> "tuple[str, int | None] | None":
        from gpubroker.offers import gpus

        read = gpus.identify(name)
        if read.model not in gpus.MODELS and all(offer.gpu_model != read.model for offer in _market_now()):
            return None
        return read.model, read.vram_gb

    def regions(self, name: str) -> "tuple[str, ...]":
        from gpubroker.offers.regions import covered

        return covered(name)

    def providers(self) -> "tuple[str, ...]":
        from gpubroker.offers.slugs import SLUGS

        return SLUGS

    def price_of(self, offer_id: str) -> "int | None":
        found = _offer_lookup().offer(offer_id)
        return None if found is None else found.price_micros_per_gpu_hour

    def cheapest(self, selector: "Selector") -> "Quote | None":
        from gpubroker.offers.offer import Availability
        from gpubroker.prices.alerts.alert import Quote

        quotes = [
            Quote(
                offer_id=offer.offer_id,
                provider=offer.provider,
                gpu_type=offer.gpu_model,
                gpu_count=offer.gpu_count,
                region=offer.region,
                spot=offer.spot,
                price_micros=offer.price_micros_per_gpu_hour,
            )
            for offer in _market_now()
            if offer.availability is not Availability.UNAVAILABLE
            and selector.covers(gpu_type=offer.gpu_model, region=offer.region, provider=offer.provider, spot=offer.spot)
        ]
        return min(quotes, key=lambda quote: (quote.price_micros, quote.offer_id), default=None)


def _market_now() -> "Iterator[Offer]":
    from gpubroker.offers import store
    from gpubroker.offers.slugs import SLUGS

    return (offer for state, offers in store.parts_of(SLUGS) if state is not None for offer in offers)


# ------------------------------------------------------------------ notifications
# What notifications need of identity (delivery/notifications/ports.py), and their use cases.


@cache
def notification_desk() -> "NotificationDesk":
    """Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.delivery.notifications.inbox import Inbox
    from gpubroker.delivery.notifications.use_cases import NotificationDesk
    from gpubroker.kernel.time import utc_now

    return NotificationDesk(inbox=Inbox(), addresses=_Addresses(), clock=utc_now)


@cache
def teller() -> "Teller":
    """Tells by mail and push: outside the VPC."""
    from gpubroker.delivery.notifications.inbox import Inbox
    from gpubroker.delivery.notifications.telling import Teller
    from gpubroker.kernel.time import utc_now
    from gpubroker.messaging.mail import ses

    return Teller(inbox=Inbox(), addresses=_Addresses(), mail=ses(), push=push(), clock=utc_now)


def push() -> "Push":
    from gpubroker.delivery.notifications.sns import sns

    return sns()


class _Addresses:
    """delivery.notifications.ports.Addresses over identity's profiles."""

    def address_of(self, user_id: str) -> "Address | None":
        from gpubroker.delivery.notifications.ports import Address
        from gpubroker.identity.store.users import profile_of

        profile = profile_of(user_id)
        return None if profile is None else Address(profile.email, profile.email_verified)
