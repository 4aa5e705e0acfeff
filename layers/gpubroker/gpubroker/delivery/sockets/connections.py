"""Open WebSockets and their subscriptions in DynamoDB.

    CONNECTION#<id>                    CONNECTION       who it is, what it subscribes to, how fast it has been talking
    CHANNEL#<channel>#<shard>          <connection id>  a subscriber of a public channel
    <tenant>#CHANNEL#<channel>         <connection id>  a subscriber of a tenant's channel
    <tenant>#SOCKETS                   OPEN             how many a tenant has open; ADDRESS#<...>#SOCKETS: an address
    SOCKETS#ENDING#<ten minutes>       <connection id>  what the sweep looks at when these ten minutes are over

A connection is made, changed and removed together with all of these, in one transaction: nothing is left behind by a
function that dies. What API Gateway never told us of (a lost `$disconnect`) goes when a message finds it gone, or with
the sweep. TTL removes the rest.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.exceptions import DoesNotExist, UpdateError
from pynamodb.expressions.condition import size
from pynamodb.expressions.update import Action

from gpubroker.delivery import channels
from gpubroker.delivery.limits import CONNECTION_SECONDS, SOCKETS
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Gone, TooManyRequests, Unavailable
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import StaleVersion, transaction

SPAN_SECONDS = 600
_GRACE_SECONDS = 120
_TRIES = 6


class TooManyConnections(TooManyRequests):
    code = "too-many-connections"
    title = "The plan's connections are all in use"


class TooManySubscriptions(TooManyRequests):
    code = "too-many-subscriptions"
    title = "The plan's subscriptions of a connection are all in use"


class ConnectionItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    caller = JSONAttribute()
    holder = UnicodeAttribute()
    path = UnicodeAttribute()
    channels = UnicodeSetAttribute(null=True)
    batched = BooleanAttribute(default=False)
    resume_from = NumberAttribute(null=True)
    connected_at = NumberAttribute()
    ends_at = NumberAttribute()
    # The rate of its messages (see `paced`), epoch milliseconds; how many were refused.
    paced_to = NumberAttribute(default=0)
    refused = NumberAttribute(default=0)


class SubscriberItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    batched = BooleanAttribute(default=False)


class OpenItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    open = NumberAttribute(default=0)


class EndingItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"


@dataclass(frozen=True, slots=True)
class Connection:
    """holder: whose connections are counted together; resume_from: the sequence that the client saw last, if any."""

    connection_id: str
    caller: Caller
    holder: str
    path: str
    channels: frozenset[str] = frozenset()
    batched: bool = False
    resume_from: int | None = None
    ends_at: int = 0
    version: int = 1

    def tenant_of(self, channel: str) -> str:
        """Whose channel it is; "" for a public one."""
        return "" if channels.parse(channel).public else self.caller.tenant


@dataclass(frozen=True, slots=True)
class Paced:
    """What became of one message's turn: the connection, or how often it has been refused."""

    connection: Connection
    allowed: bool = True
    refused: int = 0


@dataclass(slots=True)
class Audience:
    """connection id -> its channels of those that were asked for, and whether it reads batches."""

    channels: dict[str, set[str]] = field(default_factory=dict)
    batched: set[str] = field(default_factory=set)


class Connections:
    def __init__(self, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep

    def add(self, connection: Connection) -> None:
        """Open a connection with its first subscriptions. Raises TooManyConnections, TooManySubscriptions."""
        now = int(self._clock())
        limits = SOCKETS[connection.caller.plan]
        if len(connection.channels) > limits.subscriptions:
            raise _too_many_subscriptions(connection.caller.plan)
        ends_at = now + CONNECTION_SECONDS + _GRACE_SECONDS
        item = ConnectionItem(
            *_key(connection.connection_id),
            caller=_caller_json(connection.caller),
            holder=connection.holder,
            path=connection.path,
            channels=set(connection.channels) or None,
            batched=connection.batched,
            resume_from=connection.resume_from,
            connected_at=now,
            ends_at=ends_at,
            version=1,
            # The sweep comes first: what TTL removed could not be counted down.
            expires_at=ends_at + 86400,
        )
        with transaction(ConnectionItem) as tx:
            tx.put(item, condition=ConnectionItem.pk.does_not_exist())
            tx.put(_ending(connection.connection_id, ends_at))
            for channel in connection.channels:
                tx.put(_subscriber(connection, channel, ends_at))
            tx.update(
                _open(connection.holder),
                actions=[OpenItem.open.add(1), _open_expires(now)],
                condition=OpenItem.pk.does_not_exist() | (OpenItem.open < limits.connections),
                lost=TooManyConnections(
                    f"The plan {connection.caller.plan} allows {limits.connections} connections.", retry_after=10
                ),
            )

    def get(self, connection_id: str) -> Connection | None:
        try:
            item = ConnectionItem.get(*_key(connection_id), consistent_read=True)
        except DoesNotExist:
            return None
        return _connection(item)

    def paced(self, connection_id: str) -> Paced:
        """Take a turn of the connection's rate: one write; two and a read for a message of a burst. Raises Gone.

        Generic cell rate algorithm, kept a second behind: `paced_to` moves on by 1/messages s with each message, never
        stays more than a second behind the present, and may not reach it.
        """
        now = int(self._clock() * 1000)
        item = ConnectionItem(*_key(connection_id))
        alive = ConnectionItem.pk.exists()
        try:
            item.update([ConnectionItem.paced_to.set(now - 1000)], alive & (ConnectionItem.paced_to < now - 1000))
            return Paced(_connection(item))
        except UpdateError as error:
            if not lost_condition(error):
                raise
        known = self.get(connection_id)
        if known is None:
            raise Gone("This connection is closed.")
        step = max(1, 1000 // SOCKETS[known.caller.plan].messages)
        try:
            item.update([ConnectionItem.paced_to.add(step)], alive & (ConnectionItem.paced_to <= now - 2 * step))
            return Paced(_connection(item))
        except UpdateError as error:
            if not lost_condition(error):
                raise
        try:
            item.update([ConnectionItem.refused.add(1)], alive)
        except UpdateError as error:
            if lost_condition(error):
                raise Gone("This connection is closed.") from None
            raise
        return Paced(_connection(item), allowed=False, refused=int(item.refused))

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Raises TooManySubscriptions; Gone when the connection was closed meanwhile. Twice is once."""
        limit = SOCKETS[connection.caller.plan].subscriptions
        room = ConnectionItem.channels.does_not_exist() | (size(ConnectionItem.channels) < limit)  # type: ignore[no-untyped-call]
        for _ in range(_TRIES):
            if channel in connection.channels:
                return
            if len(connection.channels) >= limit:
                raise _too_many_subscriptions(connection.caller.plan)
            try:
                with transaction(ConnectionItem) as tx:
                    tx.update(
                        ConnectionItem(*_key(connection.connection_id)),
                        actions=[ConnectionItem.channels.add({channel}), ConnectionItem.version.add(1)],
                        condition=ConnectionItem.pk.exists() & room,
                    )
                    tx.put(_subscriber(connection, channel, connection.ends_at))
                return
            except StaleVersion:
                connection = self._again(connection)
        raise Unavailable("The connection is changing too fast; try again.", retry_after=1)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Raises Gone. What was not subscribed to stays so."""
        if channel not in connection.channels:
            return
        try:
            with transaction(ConnectionItem) as tx:
                tx.update(
                    ConnectionItem(*_key(connection.connection_id)),
                    actions=[ConnectionItem.channels.delete({channel}), ConnectionItem.version.add(1)],
                    condition=ConnectionItem.pk.exists(),
                )
                tx.delete(SubscriberItem(*_subscriber_key(connection, channel)))
        except StaleVersion:
            raise Gone("This connection is closed.") from None

    def remove(self, connection_id: str) -> bool:
        """Close a connection and all that belongs to it (R11.7); False when it was gone already."""
        for attempt in range(_TRIES):
            connection = self.get(connection_id)
            if connection is None:
                return False
            try:
                with transaction(ConnectionItem) as tx:
                    tx.delete(
                        ConnectionItem(*_key(connection_id)), condition=ConnectionItem.version == connection.version
                    )
                    tx.delete(_ending(connection_id, connection.ends_at))
                    for channel in connection.channels:
                        tx.delete(SubscriberItem(*_subscriber_key(connection, channel)))
                    tx.update(_open(connection.holder), actions=[OpenItem.open.add(-1), _open_expires(self._clock())])
                return True
            except StaleVersion:  # a subscription came between
                self._sleep(0.01 * attempt)
        raise Unavailable("The connection is changing too fast; try again.", retry_after=1)

    def audience(self, tenant: str, wanted: Iterable[str]) -> Audience:
        """Who listens to any of these channels: one query for each partition. tenant: "" for public channels."""
        found = Audience()
        now = self._clock()
        keys = [(channel, key) for channel in wanted for key in channels.partitions(channel, tenant)]
        for channel, items in _queried(keys):
            for item in items:
                if int(item.expires_at or 0) > now:
                    found.channels.setdefault(item.sk, set()).add(channel)
                    if item.batched:
                        found.batched.add(item.sk)
        return found

    def ending(self, span: int) -> Iterator[str]:
        """Connections that API Gateway must have ended when span number `span` (of ten minutes) was over."""
        for item in EndingItem.query(f"SOCKETS#ENDING#{span}", consistent_read=True):
            yield item.sk

    def _again(self, connection: Connection) -> Connection:
        found = self.get(connection.connection_id)
        if found is None:
            raise Gone("This connection is closed.")
        return found


def _queried(keys: list[tuple[str, str]]) -> Iterator[tuple[str, list[SubscriberItem]]]:
    """The items of several partitions, side by side where there are many."""

    def one(pair: tuple[str, str]) -> tuple[str, list[SubscriberItem]]:
        return pair[0], list(SubscriberItem.query(pair[1]))

    if len(keys) < 2:
        yield from map(one, keys)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(16, len(keys))) as pool:
        yield from pool.map(one, keys)


def _key(connection_id: str) -> tuple[str, str]:
    return f"CONNECTION#{connection_id}", "CONNECTION"


def _subscriber_key(connection: Connection, channel: str) -> tuple[str, str]:
    partition = channels.partition(channel, connection.tenant_of(channel), connection.connection_id)
    return partition, connection.connection_id


def _subscriber(connection: Connection, channel: str, ends_at: int) -> SubscriberItem:
    return SubscriberItem(*_subscriber_key(connection, channel), batched=connection.batched, expires_at=ends_at)


def _open(holder: str) -> OpenItem:
    return OpenItem(f"{holder}#SOCKETS", "OPEN")


def _open_expires(now: float) -> Action:
    """Later than every connection that is open now, so a counter that TTL removes had come to nothing anyway."""
    return OpenItem.expires_at.set(int(now) + CONNECTION_SECONDS + _GRACE_SECONDS + 3600)


def _ending(connection_id: str, ends_at: int) -> EndingItem:
    span = ends_at // SPAN_SECONDS
    return EndingItem(f"SOCKETS#ENDING#{span}", connection_id, expires_at=ends_at + 7 * 86400)


def _too_many_subscriptions(plan: Plan) -> TooManySubscriptions:
    return TooManySubscriptions(f"The plan {plan} allows {SOCKETS[plan].subscriptions} subscriptions of a connection.")


def _caller_json(caller: Caller) -> dict[str, Any]:
    return {
        "role": caller.role.value,
        "subject": caller.subject,
        "tenant": caller.tenant,
        "plan": caller.plan.value,
        "scopes": sorted(caller.scopes),
        "credential": caller.credential,
        "address": caller.address,
    }


def _connection(item: ConnectionItem) -> Connection:
    told = item.caller
    caller = Caller(
        Role(told["role"]),
        subject=told["subject"],
        tenant=told["tenant"],
        plan=Plan(told["plan"]),
        scopes=frozenset(told["scopes"]),
        credential=told["credential"],
        address=told["address"],
    )
    return Connection(
        item.pk.partition("#")[2],
        caller,
        item.holder,
        item.path,
        frozenset(item.channels or ()),
        bool(item.batched),
        None if item.resume_from is None else int(item.resume_from),
        int(item.ends_at),
        int(item.version or 1),
    )
