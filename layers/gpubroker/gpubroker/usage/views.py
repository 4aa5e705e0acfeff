"""What callers are told of usage."""

from typing import Any

from pydantic import Field

from gpubroker.kernel.schemas import View
from gpubroker.usage.event import HOUR_MS, METRICS, Usage, moment_text, number
from gpubroker.usage.hour import IS_LEVEL, Sums

Number = int | float
_LAST = "the end of the last period that was counted"
_COMPLETE = "everything that was taken before is counted; null while that is unknown"


class EventsTakenView(View):
    """All events of the call are in the stream; they are counted within a minute or two, each once."""

    accepted: int = Field(description="events of the call, repeats included")
    duplicates: int = Field(description="of these, how many were known to be counted already; they count once")


class PeriodView(View):
    start: str
    end: str


class MetricsView(View):
    """Null is what was not measured, which is not zero."""

    cpu_seconds: Number | None = None
    cpu_percent_avg: Number | None = None
    memory_gb: Number | None = None
    memory_percent: Number | None = None
    storage_gb: Number | None = None
    network_egress_mb: Number | None = None
    network_ingress_mb: Number | None = None
    gpu_seconds: Number | None = None


class InstanceUsageView(View):
    """The last event of an instance."""

    instance_id: str
    user_id: str
    org_id: str | None
    reporting: bool = Field(description="whether an event came in the last ten minutes; if not, there are no metrics")
    period: PeriodView
    metrics: MetricsView | None

    @classmethod
    def of(cls, event: Usage, *, reporting: bool) -> "InstanceUsageView":
        shown = zip(METRICS, event.metrics, strict=True)
        return cls(
            instance_id=event.instance_id,
            user_id=event.user_id,
            org_id=event.org_id,
            reporting=reporting,
            period=PeriodView(start=moment_text(event.start_ms), end=moment_text(event.start_ms + event.length_ms)),
            metrics=MetricsView(**{name: None if value is None else number(value) for name, value in shown})
            if reporting
            else None,
        )


class CurrentInstanceView(InstanceUsageView):
    last_event_at: str = Field(description=_LAST)
    complete_until: str | None = Field(description=_COMPLETE)


class CurrentUserView(View):
    """All instances of a user that report. Totals are sums over them, of percentages the mean."""

    user_id: str
    instance_count: int
    instances: list[InstanceUsageView] = Field(description="the first `limit` of them, by id")
    totals: MetricsView
    last_event_at: str | None = Field(description=_LAST)
    complete_until: str | None = Field(description=_COMPLETE)


class PointView(View):
    """One step [start, end) of a history.

    metrics  amounts are sums; levels are averages over the time in which they were measured; `..._gb_hours` are levels
             times hours, over all instances. What was not measured is left out
    """

    start: str
    end: str
    gap: bool = Field(description="nothing was counted in this step")
    complete: bool = Field(description="whether everything that was taken before its end is counted")
    events: int
    instances: int = Field(description="of an hour; of longer steps, the most in one of their hours")
    covered_seconds: Number = Field(description="of all instances together")
    conflicts: int = Field(description="events that were not counted, because they overlap with one that was")
    metrics: dict[str, Number]
    highest: dict[str, Number] = Field(description="the highest value of each level")


class HistoryView(View):
    scope: str = Field(description="instance, user or organization", examples=["instance"])
    id: str
    granularity: str
    start: str
    end: str
    points: list[PointView]
    gaps: int
    last_event_at: str | None = Field(description=_LAST + ", in this range")
    complete_until: str | None = Field(description=_COMPLETE)


def metrics_of(sums: Sums, wanted: list[str] | None) -> tuple[dict[str, Number], dict[str, Number]]:
    """The metrics of some sums, and the highest levels."""
    found: dict[str, Any] = {}
    highest: dict[str, Number] = {}
    for at, name in enumerate(METRICS):
        if not sums.measured[at]:
            continue
        if not IS_LEVEL[at]:
            found[name] = number(sums.amounts[at])
            continue
        found[name] = number(_ratio(sums.amounts[at], sums.measured[at]))
        highest[name] = number(sums.highest[at])
        if name.endswith("_gb"):
            found[f"{name}_hours"] = number(_ratio(sums.amounts[at], HOUR_MS))
    if wanted is None:
        return found, highest
    return (
        {name: value for name, value in found.items() if name in wanted},
        {name: value for name, value in highest.items() if name in wanted},
    )


def _ratio(total: int, by: int) -> int:
    """A quotient, rounded half to even."""
    whole, rest = divmod(total, by)
    return whole + (rest * 2 > by or (rest * 2 == by and whole % 2 == 1))
