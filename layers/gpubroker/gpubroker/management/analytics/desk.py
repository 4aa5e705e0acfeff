"""What callers may do with analytics."""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gpubroker.kernel.errors import Invalid, Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.schemas import RequestModel
from gpubroker.kernel.time import Clock, iso
from gpubroker.management.analytics.counts import LONGEST, Analytics, Granularity
from gpubroker.management.analytics.items import EventItem
from gpubroker.management.canonical import bounded, canonical
from gpubroker.management.replays import replayed
from gpubroker.management.secrets import without_secrets
from gpubroker.management.views import Done
from gpubroker.management.wire import EventType, Moment, WireRequest, WireView

_USUAL: dict[Granularity, timedelta] = {"hour": timedelta(days=1), "day": timedelta(days=30)}

STORED = Done(message="Analytics event stored")


class AnalyticsRequest(WireRequest):
    """`eventData` is any object, of 64 KB and 20 levels at most. What looks like a secret in it is not kept."""

    event_type: EventType
    event_data: dict[str, Any]


class CountsQuery(RequestModel):
    """By the hour at most 31 days, by the day at most 366; one day or thirty days until now where nothing is said."""

    type: EventType
    granularity: Granularity = "hour"
    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must come before until")
        return self


class CountView(WireView):
    start: str = Field(description="of the hour or day, UTC")
    count: int


class CountsView(WireView):
    """Events by the moment they were received, in each hour or day that [since, until) touches: whole ones, those
    without any too."""

    event_type: str
    granularity: Literal["hour", "day"]
    since: str
    until: str
    total: int
    counts: list[CountView]


class AnalyticsDesk:
    def __init__(self, *, analytics: Analytics, clock: Clock) -> None:
        self._analytics, self._clock = analytics, clock

    def ingest(self, wanted: AnalyticsRequest, idempotency: Idempotency | None) -> Done:
        """Keep and count an event. Raises Invalid on `eventType` or `eventData`, TooManyTypes."""
        if without_secrets(wanted.event_type) != wanted.event_type:
            raise Invalid.of("eventType", "looks like a secret")
        text = canonical(without_secrets(bounded("eventData", wanted.event_data)))
        try:
            self._analytics.add(
                wanted.event_type,
                text,
                event_id=new_id("ana"),
                now=self._clock(),
                idempotency=idempotency,
                answer=STORED.model_dump(),
            )
        except Problem as problem:
            return Done.model_validate(replayed(EventItem, idempotency, problem))
        return STORED

    def counts(self, wanted: CountsQuery) -> CountsView:
        """Raises Invalid on `since`: it must come before `until`, and not too long before it."""
        granularity, longest = wanted.granularity, LONGEST[wanted.granularity]
        end = wanted.until or self._clock()
        begin = wanted.since or end - _USUAL[granularity]
        if begin >= end:
            raise Invalid.of("since", "must come before until")
        if end - begin > longest:
            raise Invalid.of("since", f"may be {longest.days} days before until, by the {granularity}")
        found = self._analytics.counts(wanted.type, granularity, begin, end)
        return CountsView(
            event_type=wanted.type,
            granularity=granularity,
            since=iso(begin),
            until=iso(end),
            total=sum(count for _, count in found),
            counts=[CountView(start=iso(start), count=count) for start, count in found],
        )
