"""How much of the real-time channels a plan includes (docs/limits.md). Anonymous callers have the free plan's."""

from dataclasses import dataclass

from gpubroker.kernel.caller import Plan


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """connections    open at once, of a tenant or (anonymous) of an address
    subscriptions  of one connection; all of them and the connection are removed in one transaction of at most 100
    messages       of one connection to us in any second; that many at once, then one each 1/messages s
    """

    connections: int
    subscriptions: int
    messages: int


SOCKETS = {
    Plan.FREE: SocketLimits(100, 10, 10),
    Plan.PRO: SocketLimits(1_000, 50, 100),
    Plan.ENTERPRISE: SocketLimits(5_000, 90, 1_000),
}

CONNECTION_SECONDS = 7200
"""API Gateway ends a WebSocket after two hours (and after ten idle minutes); nothing of ours outlives that."""
LARGEST_MESSAGE_BYTES = 4096
"""What a client may send at once: the longest sensible message is a get_offers with all filters."""
MOST_REFUSALS = 100
"""Messages over the rate after which a connection is closed: who goes on sending is not listening."""
