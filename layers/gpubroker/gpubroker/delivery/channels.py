"""Channels: what one may listen to, and under which key those who listen stand.

Public ones are `price_updates`, `health_status`, `availability` and, of all three, what concerns one `provider:{name}`,
`gpu:{type}` or `region:{name}` (R11.4); everybody may listen. Private ones, `rental:{id}`, `alerts` and `agent:{id}`,
are a tenant's: the tenant is part of the key, so that a message to one tenant cannot find another's subscribers.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from gpubroker.kernel.errors import NotFound

KINDS = ("price_updates", "health_status", "availability")
FAMILIES = ("provider", "gpu", "region")
PUBLIC_FORMS = (*KINDS, "provider:{name}", "gpu:{type}", "region:{name}")
PRIVATE_FORMS = ("rental:{id}", "alerts")

BROAD_SHARDS = 4
"""Partitions of a channel that most people listen to. One takes a thousand subscriptions a second and 7,000 a page."""


class NoSuchChannel(NotFound):
    code = "channel-not-found"
    title = "There is no such channel"


@dataclass(frozen=True, slots=True)
class Channel:
    """kind: one of KINDS, FAMILIES, `rental`, `alerts`, `agent`; value: what stands behind the colon."""

    kind: str
    value: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind

    @property
    def public(self) -> bool:
        return self.kind in KINDS or self.kind in FAMILIES


def parse(text: str) -> Channel:
    """The channel that a client named; whether there is such a provider, GPU or rental is not looked at here.

    Raises NoSuchChannel.
    """
    kind, colon, value = text.strip().partition(":")
    kind, value = kind.strip().lower(), value.strip()
    if not colon and (kind in KINDS or kind == "alerts"):
        return Channel(kind)
    if colon and value and (kind in FAMILIES or kind in ("rental", "agent")):
        return Channel(kind, value)
    raise NoSuchChannel(f"Channels are {', '.join(PUBLIC_FORMS + PRIVATE_FORMS)}.")


def shards_of(channel: str) -> int:
    return BROAD_SHARDS if channel in KINDS else 1


def partition(channel: str, tenant: str, connection_id: str) -> str:
    """The partition that a subscription stands in; tenant is "" for a public channel."""
    return _key(channel, tenant, zlib.crc32(connection_id.encode()) % shards_of(channel))


def partitions(channel: str, tenant: str) -> list[str]:
    """All partitions of a channel."""
    return [_key(channel, tenant, shard) for shard in range(shards_of(channel))]


def _key(channel: str, tenant: str, shard: int) -> str:
    return f"{tenant}#CHANNEL#{channel}" if tenant else f"CHANNEL#{channel}#{shard}"


def regions_of(region: str | None) -> tuple[str, ...]:
    """A region and the part of the world that it belongs to: `us-east`, `us`."""
    if not region:
        return ()
    family = region.partition("-")[0]
    return (region,) if family == region else (region, family)


def channels_of_all(found: Iterable[Iterable[str]]) -> list[str]:
    """Every channel that occurs, once, in the order of its first occurrence."""
    return list(dict.fromkeys(name for names in found for name in names))
