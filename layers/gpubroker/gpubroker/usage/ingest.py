"""Taking usage events: all of a call or none of it, with everything that is wrong named by its index.

All or nothing, as Lago and BigQuery have it by default: a caller who is told "422" knows that nothing was counted,
leaves out what `rejected` names, and sends the same again; the events' identities make that harmless. Accepting a part
would hide the other part behind a 202.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import FieldError, Invalid
from gpubroker.storage.throttle import Limit, Throttle, count_of
from gpubroker.usage.event import Usage
from gpubroker.usage.requests import UsageEvents
from gpubroker.usage.views import EventsTakenView
from gpubroker.usage.wire import Refused, event_of, out_of_time

CALLS = Limit("usage-events", 5000, 10)
"""Calls of one service in ten seconds; this function stands outside the VPC, away from the other limits."""

_MOST_TOLD = 100


class RejectedEvents(Invalid):
    """Events of a call were wrong, so none of it was taken. `rejected` holds `{index, field, message}` of each."""

    code = "usage-events-rejected"
    title = "None of these usage events was taken"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one event of a call."""

    index: int
    field: str
    message: str


class UsageSink(Protocol):
    def put(self, events: Sequence[Usage], received_ms: int) -> None:
        """Returns when all of them are in the stream. Raises Unavailable: some may be, so they are sent again."""


class Counted(Protocol):
    def against(self, events: Sequence[Usage]) -> tuple[set[int], dict[int, Wrong]]:
        """By index: what is counted already with the same content; and what does not go with what is counted."""


@dataclass(frozen=True, slots=True)
class Ingest:
    sink: UsageSink
    counted: Counted
    clock: Callable[[], datetime]

    def take(self, caller: Caller, sent: UsageEvents) -> EventsTakenView:
        """Raises RejectedEvents, TooManyAttempts, Unavailable."""
        now = self.clock()
        Throttle("USAGE_TABLE").count(count_of(CALLS, caller.subject, now.timestamp()), now=now.timestamp())
        now_ms = int(now.timestamp() * 1000)
        events, wrong = checked(sent.events, now_ms)
        if not wrong:
            repeated, against = self.counted.against(events)
            wrong = list(against.values())
        if wrong:
            raise _rejected(wrong, len(sent.events), single=sent.single)
        self.sink.put([event for index, event in enumerate(events) if index not in repeated], now_ms)
        return EventsTakenView(accepted=len(events), duplicates=len(repeated))


def checked(sent: Sequence[Any], now_ms: int) -> tuple[list[Usage], list[Wrong]]:
    """The events of a call, and all that is wrong with them; an event that is the repeat of another one stays once."""
    events: list[Usage] = []
    wrong: list[Wrong] = []
    for index, one in enumerate(sent):
        try:
            event = event_of(one)
        except ValidationError as error:
            wrong += [Wrong(index, field, message) for field, message in _of_shape(error)]
            continue
        except Refused as refused:
            wrong.append(Wrong(index, refused.field, refused.message))
            continue
        late = out_of_time(event, now_ms)
        if late:
            wrong.append(Wrong(index, *late))
        events.append(event)
    if not wrong:
        wrong = list(_overlaps(events))
    return events, wrong


def _overlaps(events: Sequence[Usage]) -> "list[Wrong]":
    """Periods of one instance that overlap within a call; the same event twice is a repeat."""
    found: list[Wrong] = []
    by_instance: dict[str, list[int]] = {}
    for index, event in enumerate(events):
        by_instance.setdefault(event.instance_id, []).append(index)
    for indexes in by_instance.values():
        if len(indexes) == 1:
            continue
        indexes.sort(key=lambda index: (events[index].start_ms, index))
        last, until = indexes[0], events[indexes[0]].start_ms + events[indexes[0]].length_ms
        for index in indexes[1:]:
            event = events[index]
            if event.start_ms < until:
                same = event._replace(stamp_ms=0) == events[last]._replace(stamp_ms=0)
                if not same:
                    found.append(Wrong(index, "period", f"overlaps with that of event {last}, of the same instance"))
                continue
            last, until = index, event.start_ms + event.length_ms
    return found


def _of_shape(error: ValidationError) -> list[tuple[str, str]]:
    told = []
    for failure in error.errors(include_url=False, include_input=False, include_context=False):
        message = {"extra_forbidden": "is not a known field", "missing": "is required"}.get(failure["type"])
        told.append((".".join(map(str, failure["loc"])) or "event", message or str(failure["msg"])))
    return told


def _rejected(wrong: list[Wrong], of: int, *, single: bool) -> RejectedEvents:
    """The refusal of a call. Fields of an event that came in a list are named from the list's index on."""
    wrong = sorted(wrong, key=lambda one: one.index)
    indexes = {one.index for one in wrong}
    fields = tuple(
        FieldError(one.field if single else f"events.{one.index}.{one.field}", one.message)
        for one in wrong[:_MOST_TOLD]
    )
    if single:
        return RejectedEvents("; ".join(f"{one.field}: {one.message}" for one in fields), fields=fields)
    detail = f"{len(indexes)} of {of} events are wrong, so none was taken; {fields[0].field}: {fields[0].message}"
    told = [{"index": one.index, "field": one.field, "message": one.message} for one in wrong]
    return RejectedEvents(detail, fields=fields, rejected=told)
