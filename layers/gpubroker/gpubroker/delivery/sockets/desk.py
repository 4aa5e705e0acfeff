"""What happens on a WebSocket: its beginning, the greeting, what a client says, its end.

`$connect` writes the connection and asks for the greeting, which another invocation sends: nothing can be posted to a
connection before its `$connect` has returned.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpubroker.delivery.channels import Channel, channels_of_all
from gpubroker.delivery.limits import MOST_REFUSALS, SOCKETS
from gpubroker.delivery.listening import Listening
from gpubroker.delivery.messages import channels_of, rental_status
from gpubroker.delivery.ports import Offers, Rentals
from gpubroker.delivery.public_log import MOST_READ, PublicLog
from gpubroker.delivery.sockets import protocol
from gpubroker.delivery.sockets.connections import Connection, Connections
from gpubroker.delivery.sockets.posting import Poster
from gpubroker.delivery.sockets.protocol import Said
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Gone, Invalid, NotFound, Problem, TooLarge, TooManyRequests, Unauthenticated

_LARGEST_ANSWER = 120_000  # API Gateway takes messages of 128 KB
_MOST_FRAMES = 200
"""Missed messages that are looked through at once where each is a frame of its own: one after the other, 10 ms each."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """A client that wants to connect. holder: whose connections it counts among; query: the URL's without its token."""

    connection_id: str
    caller: Caller
    holder: str
    path: str
    query: Mapping[str, str]


class Reception:
    """`$connect`."""

    def __init__(self, *, connections: Connections, listening: Listening, greet: Callable[[str], None]) -> None:
        self._connections, self._listening, self._greet = connections, listening, greet

    def connect(self, handshake: Handshake) -> None:
        """Open the connection and ask for its greeting. Raises a Problem, which refuses the handshake."""
        caller = handshake.caller
        named = [*_channels_of_path(handshake.path, caller), *_listed(handshake.query.get("channels", ""))]
        wanted = channels_of_all([[self._listening.allowed(caller, text) for text in named]])
        self._connections.add(
            Connection(
                handshake.connection_id,
                caller,
                handshake.holder,
                handshake.path,
                frozenset(wanted),
                _flag("batch", handshake.query.get("batch")),
                _sequence(handshake.query.get("last_sequence")),
            )
        )
        try:
            self._greet(handshake.connection_id)
        except Exception:
            # The client is told of a failure and comes again: this one must not count among its connections.
            self._connections.remove(handshake.connection_id)
            raise


class Greeter:
    """The first words to a new connection, and what it missed if it said what it saw last."""

    def __init__(self, *, connections: Connections, log: PublicLog, rentals: Rentals, poster: Poster) -> None:
        self._connections, self._log, self._rentals, self._poster = connections, log, rentals, poster

    def greet(self, connection_id: str) -> bool:
        """False when the client was gone before it could be greeted."""
        connection = self._connections.get(connection_id)
        if connection is None:
            return False
        head = self._log.head()
        words = protocol.greeting(connection_id, connection.caller, connection.channels, head)
        if not self._poster.post_to_new(connection_id, _json(words)):
            self._connections.remove(connection_id)
            return False
        frames = [_json(status) for status in _standing(connection, sorted(connection.channels), self._rentals)]
        if connection.resume_from is not None:
            frames += missed(self._log, connection, connection.resume_from, None)
        return self._poster.post(connection_id, *frames) if frames else True


class Conversation:
    """`$default`: all that a client says."""

    def __init__(
        self,
        *,
        connections: Connections,
        listening: Listening,
        log: PublicLog,
        rentals: Rentals,
        offers: Offers,
        poster: Poster,
    ) -> None:
        self._connections, self._listening, self._log = connections, listening, log
        self._rentals, self._offers, self._poster = rentals, offers, poster

    def hear(self, connection_id: str, text: str) -> str:
        """Answer one message; what became of it, for the log. Never raises for what a client did."""
        try:
            paced = self._connections.paced(connection_id)
        except Gone:
            # It was closed by us, or is older than its item: API Gateway does not know that yet.
            self._poster.close(connection_id)
            return "gone"
        connection = paced.connection
        if not paced.allowed:
            return self._too_fast(connection, paced.refused, text)
        ref = None
        try:
            said = protocol.read(text)
            ref = said.ref
            frames = self._answered(connection, said)
            outcome = said.type
        except Gone:
            return "gone"
        except Problem as problem:
            ref = ref or protocol.ref_of(text)
            frames, outcome = [_json(protocol.error(problem, ref))], problem.code
        if not self._poster.post(connection_id, *frames):
            self._connections.remove(connection_id)
            return "gone"
        return outcome

    def _too_fast(self, connection: Connection, refused: int, text: str) -> str:
        if refused > MOST_REFUSALS:
            self._connections.remove(connection.connection_id)
            self._poster.close(connection.connection_id)
            return "closed"
        limit = SOCKETS[connection.caller.plan].messages
        told = TooManyRequests(f"The plan {connection.caller.plan} allows {limit} messages a second.", retry_after=1)
        frame = _json(protocol.error(told, protocol.ref_of(text) if len(text) < _LARGEST_ANSWER else None))
        if not self._poster.post(connection.connection_id, frame):
            self._connections.remove(connection.connection_id)
        return told.code

    def _answered(self, connection: Connection, said: Said) -> list[str]:
        match said.type:
            case "subscribe":
                return self._subscribed(connection, said)
            case "unsubscribe":
                return self._unsubscribed(connection, said)
            case "ping":
                return [_json(protocol.answer("pong", said.ref))]
            case "resume":
                return missed(self._log, connection, protocol.last_sequence_of(said), said.ref)
            case "get_providers":
                return [_page(protocol.answer("providers", said.ref, **self._offers.providers()))]
            case _:
                page = self._offers.offers(connection.caller, protocol.filters_of(said))
                return [_page(protocol.answer("offers", said.ref, **page))]

    def _subscribed(self, connection: Connection, said: Said) -> list[str]:
        channel = self._listening.allowed(connection.caller, protocol.channel_of(said))
        # The head is read before: what comes after it may come twice, never not at all.
        head = self._log.head()
        self._connections.subscribe(connection, channel)
        words = protocol.answer("subscribed", said.ref, channel=channel, sequence=head)
        return [_json(words), *map(_json, _standing(connection, [channel], self._rentals))]

    def _unsubscribed(self, connection: Connection, said: Said) -> list[str]:
        text = protocol.channel_of(said)
        # As it is spelled in the connection: to leave a channel nobody needs a right, or the thing to exist still.
        channel = text if text in connection.channels else self._listening.allowed(connection.caller, text)
        self._connections.unsubscribe(connection, channel)
        return [_json(protocol.answer("unsubscribed", said.ref, channel=channel))]


def missed(log: PublicLog, connection: Connection, last_sequence: int, ref: str | None) -> list[str]:
    """The public messages that a connection missed, in order, then where it stands now.

    `gap` comes first when some of them are not kept any more. `more` says that resuming again brings more.
    """
    read = log.since(last_sequence, most=MOST_READ if connection.batched else _MOST_FRAMES)
    wanted = [_json(body) for body in read.messages if not connection.channels.isdisjoint(channels_of(body))]
    told = [_json(protocol.answer("gap", ref, last_sequence=last_sequence, sequence=read.head))] if read.gap else []
    told += protocol.frames(wanted, batched=connection.batched)
    end = protocol.answer("resumed", ref, sequence=read.position, messages=len(wanted), more=read.more)
    return [*told, _json(end)]


def _standing(connection: Connection, names: list[str], rentals: Rentals) -> list[dict[str, Any]]:
    """How the rentals among these channels stand now."""
    found = []
    for name in names:
        kind, _, rental_id = name.partition(":")
        if kind == "rental":
            found.append(rental_status(rental_id, rentals.look(connection.caller.tenant, rental_id)))
    return found


def _channels_of_path(path: str, caller: Caller) -> list[str]:
    """What a path subscribes to by itself. Raises NotFound, Unauthenticated."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["ws", "providers"]:
            return []
        case ["ws", "providers", provider]:
            return [Channel("provider", provider).name]
        case ["ws", "rentals", rental_id]:
            channel = Channel("rental", rental_id)
        case ["ws", "agents", agent_id]:
            channel = Channel("agent", agent_id)
        case _:
            raise NotFound("WebSockets are at /ws/providers/, /ws/providers/{provider}/, /ws/rentals/{rental_id}/.")
    if caller.anonymous:
        raise Unauthenticated("Connect with a token: ?token=, or the subprotocols `bearer, <token>`.")
    return [channel.name]


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _flag(name: str, text: str | None) -> bool:
    if text in (None, "", "false", "0"):
        return False
    if text in ("true", "1"):
        return True
    raise Invalid.of(name, "is true or false")


def _sequence(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Invalid.of("last_sequence", "is the sequence of the last message that was seen")
    return int(text)


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def _page(message: Mapping[str, Any]) -> str:
    text = _json(message)
    if len(text) > _LARGEST_ANSWER:
        raise TooLarge("The answer is too long for a message; ask for fewer offers with per_page.")
    return text
