"""Where contexts meet: the only module that sees several of them (DESIGN §2).

Each factory imports what it joins when it is called, so that a function loads its own context and no other.
"""

import os
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from gpubroker.delivery.listening import Listening
    from gpubroker.delivery.notifications.ports import Address, Push
    from gpubroker.delivery.notifications.telling import Teller
    from gpubroker.delivery.notifications.use_cases import NotificationDesk
    from gpubroker.delivery.ports import Offers as OfferPages
    from gpubroker.delivery.sockets.desk import Conversation, Greeter, Reception
    from gpubroker.delivery.sockets.fan_out import Counts
    from gpubroker.delivery.sockets.fan_out import FanOut as SocketFanOut
    from gpubroker.delivery.sockets.posting import Poster
    from gpubroker.delivery.sockets.sweep import Sweep as SocketSweep
    from gpubroker.delivery.sse.stream import Streams
    from gpubroker.delivery.webhooks.attempts import Attempts
    from gpubroker.delivery.webhooks.fan_out import FanOut as WebhookFanOut
    from gpubroker.delivery.webhooks.sweep import Sweep as WebhookSweep
    from gpubroker.delivery.webhooks.use_cases import Desk as WebhookDesk
    from gpubroker.delivery.webhooks.use_cases import SecretDesk
    from gpubroker.identity.verify import Verifier
    from gpubroker.kernel.caller import Caller
    from gpubroker.offers.instances.port import Instance as ProviderInstance
    from gpubroker.offers.instances.port import InstanceApi
    from gpubroker.offers.lookup import OfferLookup
    from gpubroker.offers.offer import Offer
    from gpubroker.prices.alerts.alert import Quote, Selector
    from gpubroker.prices.alerts.firing import Firing
    from gpubroker.prices.alerts.matching import Matcher
    from gpubroker.prices.alerts.ports import Market
    from gpubroker.prices.alerts.use_cases import AlertDesk
    from gpubroker.prices.aside import Redrive
    from gpubroker.prices.averages import Averages
    from gpubroker.prices.detection import Detection
    from gpubroker.prices.history.reading import Cursors, History
    from gpubroker.prices.ports import MarketPrice, MarketPrices
    from gpubroker.rentals.ports import Compute, Instance, OfferSource, OfferTerms, Order
    from gpubroker.rentals.rental import Account, AgreedOffer, Member, Rental
    from gpubroker.rentals.steps import Starter
    from gpubroker.rentals.sweeps import DueSweep, ProviderSweep
    from gpubroker.rentals.tasks import Tasks
    from gpubroker.rentals.use_cases import CallbackDesk, Desk
    from gpubroker.resilience.breaker_store import BreakerStore
    from gpubroker.resilience.bulkhead import Bulkhead
    from gpubroker.resilience.outbound import Guard
    from gpubroker.storage.transaction import Writes

T = TypeVar("T")


@cache
def verifier() -> "Verifier":
    """Who a credential belongs to; the edge asks, identity knows."""
    from gpubroker.identity.verify import Verifier

    return Verifier()


# ------------------------------------------------------------------ webhooks
# Use cases of webhooks with everything they need; they need no other context.


@cache
def outbound() -> "Guard":
    """The guard of every address that a user gives; only `Environment=local` may call this machine."""
    from gpubroker.resilience.outbound import Guard

    return Guard(development=os.environ.get("ENVIRONMENT") == "local")


@cache
def webhook_desk() -> "WebhookDesk":
    """What touches DynamoDB only, so that it may stand inside the VPC."""
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.use_cases import Desk
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return Desk(webhooks=Webhooks(), deliveries=Deliveries(), clock=utc_now)


@cache
def webhook_secret_desk() -> "SecretDesk":
    """What makes secrets and looks up names: outside the VPC."""
    from gpubroker.delivery.webhooks.use_cases import SecretDesk
    from gpubroker.delivery.webhooks.vault import vault
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return SecretDesk(webhooks=Webhooks(), vault=vault, guard=outbound(), clock=utc_now, randomness=os.urandom)


@cache
def webhook_attempts() -> "Attempts":
    """Tries of deliveries: outside the VPC, since they speak to the internet."""
    import random

    from gpubroker.delivery.webhooks.attempts import Attempts
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.steps import Queues, Workflows
    from gpubroker.delivery.webhooks.vault import vault
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return Attempts(
        webhooks=Webhooks(),
        deliveries=Deliveries(),
        vault=vault(),
        post=outbound().post,
        queue=Queues(),
        retries=Workflows(),
        clock=utc_now,
        uniform=random.uniform,
    )


@cache
def webhook_fan_out() -> "WebhookFanOut":
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.fan_out import FanOut
    from gpubroker.delivery.webhooks.steps import Queues
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return FanOut(webhooks=Webhooks(), deliveries=Deliveries(), queue=Queues(), clock=utc_now)


@cache
def webhook_sweep() -> "WebhookSweep":
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.steps import Queues, Workflows
    from gpubroker.delivery.webhooks.sweep import Sweep
    from gpubroker.kernel.time import utc_now

    return Sweep(deliveries=Deliveries(), queue=Queues(), retries=Workflows(), clock=utc_now)


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

    return Desk(
        rentals=Rentals(accounts=_OwnAccounts()), offers=offer_source(), clock=utc_now, deployment=_rental_deployment()
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
    from gpubroker.rentals.repository import Rentals
    from gpubroker.rentals.steps import StepFunctions
    from gpubroker.rentals.tasks import Tasks

    return Tasks(
        rentals=Rentals(accounts=_OwnAccounts()),
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

    def offer_for(self, tenant: str, offer_id: str) -> "OfferTerms | None":
        from dataclasses import replace

        found, own = _offer_lookup().offer_for(tenant, offer_id)
        if found is None:
            return None
        in_force = own is not None and own.status == "active"
        return replace(_terms_of(found), integration=own.integration_id if own and in_force else None)

    def similar(self, offer: "AgreedOffer", limit: int) -> "Sequence[OfferTerms]":
        lookup = _offer_lookup()
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


@cache
def _offer_lookup() -> "OfferLookup":
    from gpubroker.offers.lookup import OfferLookup

    return OfferLookup()


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


# ------------------------------------------------------------------ prices: the stream and history
# What they need of offers (prices/ports.py), and their use cases with everything they need.


@cache
def price_detection() -> "Detection":
    """What judges the price stream."""
    from gpubroker.prices.aside import Queue
    from gpubroker.prices.detection import Detection
    from gpubroker.prices.states import StoredStates

    return Detection(StoredStates(), Queue(), _now_ms)


@cache
def price_redrive() -> "Redrive":
    from gpubroker.prices.aside import Queue, Redrive
    from gpubroker.prices.states import StoredStates

    return Redrive(StoredStates(), _now_ms, Queue())


@cache
def price_averages() -> "Averages":
    from gpubroker.prices.averages import Averages

    return Averages(_now_ms)


@cache
def price_history(cursors: "type[Cursors]") -> "History":
    """History as callers read it; the edge brings its cursors."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.history.reading import History

    return History(_MarketNames(), cursors, utc_now)


@cache
def market_prices() -> "MarketPrices":
    """The snapshot as price history sees it."""
    return _MarketPrices()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _MarketPrices:
    """prices.ports.MarketPrices over the snapshot in the table."""

    def fresh(self, now: "datetime") -> "Iterable[MarketPrice]":
        from gpubroker.offers import store
        from gpubroker.offers.slugs import SLUGS
        from gpubroker.prices.ports import MarketPrice

        for state, offers in store.parts_of(SLUGS):
            if state is None or state.stale(now.timestamp()):
                continue
            for offer in offers:
                micros = offer.price_micros_per_gpu_hour
                if micros is None:
                    continue  # its provider tells none
                yield MarketPrice(
                    offer_id=offer.offer_id,
                    provider=offer.provider,
                    gpu_type=offer.gpu_model,
                    region=offer.region,
                    spot=offer.spot,
                    micros=micros,
                )


class _MarketNames:
    """prices.ports.Names by the tables of offers."""

    def gpu(self, text: str) -> str:
        from gpubroker.offers.gpus import canonical

        return canonical(text)

    def region(self, text: str) -> str:
        return text.strip().lower()


# ------------------------------------------------------------------ delivery: sockets and server-sent events
# What delivery needs of offers, rentals and identity (delivery/ports.py), and its use cases.


@cache
def socket_reception() -> "Reception":
    """`$connect`. Asks Lambda for the greeting: outside the VPC."""
    from gpubroker.delivery.sockets.calls import ask_for_greeting
    from gpubroker.delivery.sockets.connections import Connections
    from gpubroker.delivery.sockets.desk import Reception

    return Reception(connections=Connections(), listening=_listening(), greet=ask_for_greeting)


@cache
def socket_greeter() -> "Greeter":
    from gpubroker.delivery.public_log import PublicLog
    from gpubroker.delivery.sockets.connections import Connections
    from gpubroker.delivery.sockets.desk import Greeter

    return Greeter(connections=Connections(), log=PublicLog(), rentals=_RentalLooks(), poster=_poster())


@cache
def socket_conversation(offers: "OfferPages") -> "Conversation":
    """offers: pages of the market, which the edge knows how to make (edge/table_market.py)."""
    from gpubroker.delivery.public_log import PublicLog
    from gpubroker.delivery.sockets.connections import Connections
    from gpubroker.delivery.sockets.desk import Conversation

    return Conversation(
        connections=Connections(),
        listening=_listening(),
        log=PublicLog(),
        rentals=_RentalLooks(),
        offers=offers,
        poster=_poster(),
    )


@cache
def socket_fan_out(told: "Callable[[Counts], None]") -> "SocketFanOut":
    from gpubroker.delivery.public_log import PublicLog
    from gpubroker.delivery.sockets.calls import PostQueue
    from gpubroker.delivery.sockets.connections import Connections
    from gpubroker.delivery.sockets.fan_out import FanOut

    return FanOut(
        log=PublicLog(),
        connections=Connections(),
        rentals=_RentalLooks(),
        poster=_poster(),
        queue=PostQueue(),
        told=told,
    )


@cache
def socket_sweep() -> "SocketSweep":
    from gpubroker.delivery.sockets.connections import Connections
    from gpubroker.delivery.sockets.sweep import Sweep

    return Sweep(connections=Connections())


@cache
def streams(hold: "Callable[[Caller], None]") -> "Streams":
    """Server-sent events. hold: counts a call of a caller; raises TooManyRequests."""
    from gpubroker.delivery.public_log import PublicLog
    from gpubroker.delivery.sse.stream import Streams
    from gpubroker.delivery.sse.tickets import Tickets

    return Streams(log=PublicLog(), tickets=Tickets(), catalogue=_Catalogue(), hold=hold)


def _poster() -> "Poster":
    from gpubroker.delivery.sockets.posting import Poster, socket_api

    return Poster(socket_api())


def _listening() -> "Listening":
    from gpubroker.delivery.listening import Listening

    return Listening(catalogue=_Catalogue(), rentals=_RentalLooks(), agents=_Agents())


class _Catalogue:
    """delivery.ports.Catalogue. A GPU that no table knows keeps its name: it may be on the market all the same."""

    def provider(self, name: str) -> str | None:
        from gpubroker.offers.slugs import SLUGS

        known = name.strip().lower()
        return known if known in SLUGS else None

    def gpu(self, name: str) -> str | None:
        from gpubroker.offers.gpus import canonical

        return canonical(name) or None

    def region(self, name: str) -> str | None:
        from gpubroker.offers.regions import REGIONS

        known = name.strip().lower()
        return known if any(known in (region, region.partition("-")[0]) for region in REGIONS) else None


class _Agents:
    """delivery.ports.Agents."""

    def owned(self, tenant: str, agent_id: str) -> bool:
        from gpubroker.identity.store.standings import standing_of

        standing = standing_of(tenant)
        account = standing.accounts.get(agent_id) if standing and not standing.disabled else None
        return account is not None and account.kind == "agent"


class _RentalLooks:
    """delivery.ports.Rentals: one consistent read. No adapter tells utilisation yet, so it is null, never guessed."""

    def look(self, tenant: str, rental_id: str) -> "Mapping[str, Any] | None":
        from gpubroker.rentals.repository import RentalNotFound, Rentals

        try:
            rental = Rentals().of(tenant, rental_id)
        except RentalNotFound:
            return None
        return {
            "status": rental.phase.value,
            "health": _health_of(rental),
            "utilization": None,
            "provider": rental.offer.provider,
            "offer_id": rental.offer.offer_id,
            "members": [
                {
                    "member_id": member.member_id,
                    "status": member.phase.value,
                    "health": _member_health(member),
                    "utilization": None,
                }
                for member in rental.members
            ],
        }


def _member_health(member: "Member") -> str:
    """healthy, unreachable (its provider did not know it at the last look), starting, ending, lost or ended."""
    from gpubroker.rentals.rental import MemberPhase

    match member.phase:
        case MemberPhase.READY:
            return "unreachable" if member.misses else "healthy"
        case MemberPhase.PLANNED | MemberPhase.CREATING:
            return "starting"
        case MemberPhase.LOST:
            return "lost"
        case MemberPhase.ENDING:
            return "ending"
        case _:
            return "ended"


def _health_of(rental: "Rental") -> str:
    """Of the whole: healthy, degraded (some of it is not), starting, unhealthy (none of it is), ending or ended."""
    from gpubroker.rentals.rental import Phase

    if rental.phase.over:
        return "ended"
    if rental.phase in (Phase.ENDING, Phase.UNDOING):
        return "ending"
    healths = {_member_health(member) for member in rental.members if not member.replaced_by} - {"ended", "ending"}
    if healths == {"healthy"}:
        return "healthy"
    if "healthy" in healths:
        return "degraded"
    return "starting" if "starting" in healths and not healths & {"lost", "unreachable"} else "unhealthy"


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
        from gpubroker.offers.offer import Availability

        found = _offer_lookup().offer(offer_id)
        if found is None or found.availability is Availability.UNAVAILABLE:
            return None
        return found.price_micros_per_gpu_hour

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
                price_micros=micros,
            )
            for offer in _market_now()
            if (micros := offer.price_micros_per_gpu_hour) is not None
            and offer.availability is not Availability.UNAVAILABLE
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
