"""A fact from the bus, to everybody who listens.

A public fact is written into the log, which numbers its messages; then those who listen to any of its channels are
looked up and posted to, each message once to each of them however many of its channels they listen to. Up to
AT_ONCE posts are done here; more are cut into pieces and left in a queue, so that many functions share them. What could
not be posted goes into the same queue and is tried again, a little later each time, a few times.

A fact that is delivered twice is posted twice, with the same sequences and event ids.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Protocol

from gpubroker.delivery.channels import channels_of_all
from gpubroker.delivery.messages import channels_of, private_message, public_messages
from gpubroker.delivery.ports import Rentals
from gpubroker.delivery.public_log import PublicLog
from gpubroker.delivery.sockets.connections import Connections
from gpubroker.delivery.sockets.posting import Delivery, Outcome, Poster
from gpubroker.delivery.sockets.protocol import frames

log = logging.getLogger(__name__)

AT_ONCE = 400
"""Posts of one invocation: a second at 15 ms a post and 32 at a time is 2,000."""
_PIECE_BYTES = 180_000  # a message of a queue may have 256 KB
RETRY_AFTER_S = (2, 8, 30)
"""Seconds before each further try of what could not be posted; then it is given up (and still in the log)."""


class Queue(Protocol):
    def send(self, body: str, delay_s: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Some deliveries on their way through the queue. attempt: how often they have been tried."""

    deliveries: tuple[Delivery, ...]
    attempt: int = 0

    def to_json(self) -> str:
        texts: dict[str, int] = {}
        to = [
            [delivery.connection_id, [texts.setdefault(frame, len(texts)) for frame in delivery.frames]]
            for delivery in self.deliveries
        ]
        return json.dumps({"frames": list(texts), "to": to, "attempt": self.attempt}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Piece":
        told = json.loads(text)
        texts = told["frames"]
        deliveries = (Delivery(name, tuple(texts[number] for number in numbers)) for name, numbers in told["to"])
        return cls(tuple(deliveries), told["attempt"])


@dataclass(slots=True)
class Counts:
    """What became of a fact or a piece, for metrics."""

    listeners: int = 0
    posted: int = 0
    gone: int = 0
    queued: int = 0
    again: int = 0
    given_up: int = 0


class FanOut:
    def __init__(
        self,
        *,
        log: PublicLog,
        connections: Connections,
        rentals: Rentals,
        poster: Poster,
        queue: Queue,
        told: Callable[[Counts], None] = lambda counts: None,
    ) -> None:
        self._log, self._connections, self._rentals = log, connections, rentals
        self._poster, self._queue, self._told = poster, queue, told

    def fact(self, event: Mapping[str, Any]) -> None:
        """One event of the bus. Raises when it must come again: nothing of it is lost, its ids stay the same."""
        detail_type, detail = event["detail-type"], event["detail"]
        if bodies := public_messages(detail_type, detail):
            bodies = self._log.append(detail["event_id"], bodies)
            deliveries = self._public(bodies)
        else:
            deliveries = self._private(detail_type, detail)
        if sum(len(delivery.frames) for delivery in deliveries) <= AT_ONCE:
            self._post(Piece(tuple(deliveries)))
            return
        pieces = list(cut(deliveries))
        for piece in pieces:
            self._queue.send(piece.to_json(), 0)
        self._told(Counts(listeners=len(deliveries), queued=len(pieces)))

    def piece(self, text: str) -> None:
        """A piece from the queue."""
        self._post(Piece.from_json(text))

    def _post(self, piece: Piece) -> None:
        outcome = self._poster.post_all(piece.deliveries)
        counts = Counts(listeners=len(piece.deliveries), posted=outcome.posted, gone=len(outcome.gone))
        self._again(piece, outcome, counts)
        self._told(counts)
        self._forget(outcome.gone)  # last of all: those who listen do not wait for those who left

    def _forget(self, gone: list[str]) -> None:
        for connection_id in gone:
            try:
                self._connections.remove(connection_id)
            except Exception as error:  # everybody has been posted to: this must not bring the fact again
                log.warning("%s is gone and was not removed; the next message will try again: %r", connection_id, error)

    def _again(self, piece: Piece, outcome: Outcome, counts: Counts) -> None:
        if not outcome.failed:
            return
        if piece.attempt >= len(RETRY_AFTER_S):
            counts.given_up = len(outcome.failed)
            return
        delay = RETRY_AFTER_S[piece.attempt]
        for rest in cut(outcome.failed, attempt=piece.attempt + 1):
            self._queue.send(rest.to_json(), delay)
        counts.again = len(outcome.failed)

    def _public(self, bodies: list[dict[str, Any]]) -> list[Delivery]:
        audience = self._connections.audience("", channels_of_all(channels_of(body) for body in bodies))
        if not audience.channels:
            return []
        texts = [(frozenset(channels_of(body)), json.dumps(body, separators=(",", ":"))) for body in bodies]
        memo: dict[tuple[frozenset[str], bool], tuple[str, ...]] = {}
        deliveries = []
        for connection_id, listened in audience.channels.items():
            key = frozenset(listened), connection_id in audience.batched
            if key not in memo:
                wanted = (text for channels, text in texts if not channels.isdisjoint(listened))
                memo[key] = tuple(frames(wanted, batched=key[1]))
            deliveries.append(Delivery(connection_id, memo[key]))
        return deliveries

    def _private(self, detail_type: str, detail: Mapping[str, Any]) -> list[Delivery]:
        rental = None
        if detail_type.startswith("Rental"):
            rental = self._rentals.look(detail["user_id"], detail["rental_id"])
        message = private_message(detail_type, detail, rental)
        if message is None:
            return []
        audience = self._connections.audience(message.tenant, message.channels)
        text = json.dumps(message.body, separators=(",", ":"))
        return [Delivery(connection_id, (text,)) for connection_id in audience.channels]


def cut(deliveries: Iterable[Delivery], *, attempt: int = 0) -> Iterable[Piece]:
    """Pieces of at most AT_ONCE posts that a message of the queue can hold. One connection's frames may be cut, too:
    then its pieces may be posted side by side, and its sequences tell the order."""
    held: list[Delivery] = []
    posts = size = 0
    texts: set[str] = set()
    for delivery in _of_bearable_size(deliveries):
        more = _weight(delivery, texts)
        if held and (posts + len(delivery.frames) > AT_ONCE or size + more > _PIECE_BYTES):
            yield Piece(tuple(held), attempt)
            held, posts, size, texts = [], 0, 0, set()
            more = _weight(delivery, texts)
        held.append(delivery)
        posts += len(delivery.frames)
        size += more
        texts.update(delivery.frames)
    if held:
        yield Piece(tuple(held), attempt)


def _of_bearable_size(deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
    """Each delivery, or several of its frames each where all of them are too many for a message of the queue."""
    for delivery in deliveries:
        some: list[str] = []
        size = 0
        for frame in delivery.frames:
            more = _bytes(frame)
            if some and (size + more > _PIECE_BYTES // 2 or len(some) >= AT_ONCE):
                yield Delivery(delivery.connection_id, tuple(some))
                some, size = [], 0
            some.append(frame)
            size += more
        yield Delivery(delivery.connection_id, tuple(some))


def _weight(delivery: Delivery, texts: Set[str]) -> int:
    """The bytes that a delivery adds to a piece which holds these texts already."""
    new = {frame for frame in delivery.frames if frame not in texts}
    return sum(_bytes(frame) + 3 for frame in new) + len(delivery.connection_id) + 8 + 6 * len(delivery.frames)


def _bytes(frame: str) -> int:
    """JSON in JSON: each quotation mark takes one byte more."""
    return len(frame.encode()) + frame.count('"') + frame.count("\\")
