"""What sockets and server-sent events need of offers, rentals and identity (delivery/ports.py), and their use cases."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from gpubroker.delivery.listening import Listening
    from gpubroker.delivery.ports import Offers as OfferPages
    from gpubroker.delivery.sockets.desk import Conversation, Greeter, Reception
    from gpubroker.delivery.sockets.fan_out import Counts
    from gpubroker.delivery.sockets.fan_out import FanOut as SocketFanOut
    from gpubroker.delivery.sockets.posting import Poster
    from gpubroker.delivery.sockets.sweep import Sweep as SocketSweep
    from gpubroker.delivery.sse.stream import Streams
    from gpubroker.kernel.caller import Caller


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
        from gpubroker.rentals.health import health_of, member_health
        from gpubroker.rentals.repository import RentalNotFound, Rentals

        try:
            rental = Rentals().of(tenant, rental_id)
        except RentalNotFound:
            return None
        return {
            "status": rental.phase.value,
            "health": health_of(rental),
            "utilization": None,
            "provider": rental.offer.provider,
            "offer_id": rental.offer.offer_id,
            "members": [
                {
                    "member_id": member.member_id,
                    "status": member.phase.value,
                    "health": member_health(member),
                    "utilization": None,
                }
                for member in rental.members
            ],
        }
