"""Where contexts meet: the only module that sees several of them (DESIGN §2).

Each factory imports what it joins when it is called, so that a function loads its own context and no other.
"""

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from gpubroker.delivery.listening import Listening
    from gpubroker.delivery.ports import Offers as OfferPages
    from gpubroker.delivery.sockets.desk import Conversation, Greeter, Reception
    from gpubroker.delivery.sockets.fan_out import Counts, FanOut
    from gpubroker.delivery.sockets.posting import Poster
    from gpubroker.delivery.sockets.sweep import Sweep
    from gpubroker.delivery.sse.stream import Streams
    from gpubroker.identity.verify import Verifier
    from gpubroker.kernel.caller import Caller
    from gpubroker.offers.instances.port import Instance as ProviderInstance
    from gpubroker.offers.instances.port import InstanceApi
    from gpubroker.offers.lookup import OfferLookup
    from gpubroker.offers.offer import Offer
    from gpubroker.rentals.ports import Compute, Instance, OfferSource, OfferTerms, Order
    from gpubroker.rentals.rental import AgreedOffer, Member, Rental
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
def socket_fan_out(told: "Callable[[Counts], None]") -> "FanOut":
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
def socket_sweep() -> "Sweep":
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
