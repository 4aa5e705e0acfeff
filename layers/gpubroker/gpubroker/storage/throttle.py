"""How often something may be tried, counted in DynamoDB: for functions outside the VPC, which have no Redis.

One counter is one item per fixed window, so that counting and refusing are one conditional write; around the edge of
a window twice the limit can pass within a short time, which these limits allow for. Counted before the work is done,
so that parallel tries are counted too.

    THROTTLE#<limit>#<hash>#<window>  COUNT   tries within one window, in the context's own table
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from pynamodb.attributes import NumberAttribute

from gpubroker.kernel.errors import TooManyRequests
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import Lost, Writes, transaction

_KEPT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` in a window of `seconds`."""

    name: str
    tries: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Count:
    """One counter: its key, its limit and the end of its window (epoch seconds)."""

    key: str
    limit: int
    ends_at: int

    def retry_after(self, now: float) -> float:
        """Seconds until the counter starts again, at least one."""
        return max(1.0, self.ends_at - now)


class TooManyAttempts(TooManyRequests):
    """Tried too often from this address or for this account."""

    code = "too-many-attempts"
    title = "Too many attempts; wait before the next one"


def count_of(limit: Limit, whom: str, now: float) -> Count:
    """The counter of `whom` at this moment. The name is hashed: a table of throttles is no list of our customers."""
    window = int(now // limit.seconds)
    digest = hashlib.sha256(whom.encode()).hexdigest()[:32]
    return Count(f"{limit.name}#{digest}#{window}", limit.tries, (window + 1) * limit.seconds)


def network_of(address: str) -> str:
    """What one subscriber holds: an IPv4 address, or the /64 of an IPv6 address, any of which is theirs to use."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


class Throttle:
    """The counters of one context; `table` is the variable that names its table."""

    def __init__(self, table: str) -> None:
        self._table = table

    def count(self, *counts: Count, now: float) -> None:
        """Count one try on each counter, in one call. Raises TooManyAttempts, and counts nothing, when one is full."""
        with transaction(_counter_of(self._table)) as tx:
            for one in counts:
                lost = TooManyAttempts("Too many attempts; wait before the next one.", retry_after=one.retry_after(now))
                self.add(tx, one, lost=lost)

    def add(self, tx: Writes, one: Count, *, lost: Lost) -> None:
        """Count one try as part of a larger transaction."""
        model = _counter_of(self._table)
        tx.update(
            self._item(one),
            actions=[model.tries.add(1), model.expires_at.set(one.ends_at + _KEPT_SECONDS)],
            condition=model.tries.does_not_exist() | (model.tries < one.limit),
            lost=lost,
        )

    def give_back(self, tx: Writes, one: Count) -> None:
        """Take one try off a counter: it was no guess."""
        model = _counter_of(self._table)
        tx.update(self._item(one), actions=[model.tries.add(-1), model.expires_at.set(one.ends_at + _KEPT_SECONDS)])

    def clear(self, tx: Writes, one: Count) -> None:
        """Start a counter anew."""
        tx.delete(self._item(one))

    def _item(self, one: Count) -> Item:
        item: Item = _counter_of(self._table)(f"THROTTLE#{one.key}", "COUNT")
        return item


@cache
def _counter_of(table: str) -> Any:
    class CountItem(Item):
        class Meta(Table):
            env = table

        tries = NumberAttribute()

    return CountItem
