"""How Lambda treats a batch of stream records that its function fails on: pure rules, no engine.

Sources (Lambda developer guide): "Retain discarded records with a stream source", "Configuring partial batch response
with Kinesis Data Streams and Lambda" and its twin for DynamoDB, "Polling and batching streams".
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
TOO_OLD = "MaxRecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, the position after it, its sequence number and when it arrived (epoch seconds)."""

    record: dict[str, Any]
    after: int
    sequence_number: str
    arrived: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The part of an event source mapping that says what becomes of failures; -1 means without end."""

    retries: int = -1
    max_age_seconds: int = -1
    bisect: bool = False
    partial: bool = False

    @classmethod
    def of(cls, mapping: dict[str, Any]) -> "Rules":
        return cls(
            retries=_number(mapping.get("MaximumRetryAttempts")),
            max_age_seconds=_number(mapping.get("MaximumRecordAgeInSeconds")),
            bisect=str(mapping.get("BisectBatchOnFunctionError")).lower() == "true",
            partial="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        )


def _number(value: Any) -> int:
    return -1 if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to: its response, or that it failed, or that it was throttled and never ran."""

    response: Any = None
    failed: bool = False
    throttled: bool = False


def failed_items(response: Any, known: Collection[str]) -> set[str] | None:
    """The items that a response reports as failed; None when the response makes no sense, which fails them all."""
    if response is None:
        return set()
    if not isinstance(response, dict):
        return None
    failures = response.get("batchItemFailures") or []
    if not isinstance(failures, list):
        return None
    found = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
    return found if found <= set(known) else None  # type: ignore[return-value]


class Shard(Protocol):
    """What the rules need of the world."""

    def invoke(self, entries: list[Entry]) -> Outcome: ...

    def advance(self, position: int) -> None:
        """Everything before `position` is settled."""

    def discard(self, entries: list[Entry], condition: str, invocations: int) -> None:
        """Tell the on-failure destination."""

    def wait(self, attempt: int) -> bool:
        """Let some time pass before the next attempt; False when the mapping is gone and nothing more may be done."""


@dataclass(slots=True)
class _Piece:
    entries: list[Entry]
    attempts: int = 0  # failed attempts that count
    invocations: int = 0


def settle(entries: list[Entry], rules: Rules, shard: Shard, clock: Callable[[], float]) -> bool:
    """Invoke until every record has been processed or discarded, in order. False when told to stop before."""
    stack = [_Piece(entries)]
    while stack:
        piece = stack.pop()
        if rules.max_age_seconds >= 0:
            piece = _without_expired(piece, rules, shard, clock())
            if not piece.entries:
                continue
        outcome = shard.invoke(piece.entries)
        if outcome.throttled:
            stack.append(piece)
            if not shard.wait(1):
                return False
            continue
        piece.invocations += 1
        done = _done(piece.entries, outcome, rules)
        if done:
            shard.advance(piece.entries[done - 1].after)
        if done == len(piece.entries):
            continue
        rest = piece.entries[done:]
        if rules.bisect and (done or len(rest) > 1):  # splitting a batch uses up no attempt
            halves = [rest] if done else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
            stack += [_Piece(half, piece.attempts, piece.invocations) for half in reversed(halves)]
        else:
            piece = _Piece(rest, piece.attempts + 1, piece.invocations)
            if 0 <= rules.retries < piece.attempts:
                shard.discard(rest, RETRIES_EXHAUSTED, piece.invocations)
                shard.advance(rest[-1].after)
                continue
            stack.append(piece)
        if not shard.wait(max(1, piece.attempts)):
            return False
    return True


def _done(entries: list[Entry], outcome: Outcome, rules: Rules) -> int:
    """How many of the entries, from the first, are processed."""
    if outcome.failed:
        return 0
    if not rules.partial:
        return len(entries)
    numbers = [entry.sequence_number for entry in entries]
    failed = failed_items(outcome.response, numbers)
    if failed is None:
        return 0
    return min((numbers.index(number) for number in failed), default=len(entries))


def _without_expired(piece: _Piece, rules: Rules, shard: Shard, now: float) -> _Piece:
    """The records young enough to be sent; the others are discarded."""
    young = next(
        (index for index, entry in enumerate(piece.entries) if now - entry.arrived <= rules.max_age_seconds),
        len(piece.entries),
    )
    if young:
        shard.discard(piece.entries[:young], TOO_OLD, piece.invocations)
        shard.advance(piece.entries[young - 1].after)
    return _Piece(piece.entries[young:], piece.attempts, piece.invocations)
