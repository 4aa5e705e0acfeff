"""What may be asked of webhooks."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from gpubroker.delivery.webhooks.webhook import (
    EVENT_TYPES,
    LONGEST_SCHEDULE,
    LONGEST_TOGETHER,
    LONGEST_WAIT,
    Filters,
    types_of,
)
from gpubroker.kernel.schemas import RequestModel
from gpubroker.kernel.time import parse_iso

_PATTERN = re.compile(r"^[a-z_]*\*?$")

Url = Annotated[str, Field(min_length=8, max_length=2048, examples=["https://example.com/hooks/gpubroker"])]
Events = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]],
    Field(
        min_length=1,
        max_length=20,
        description=f"event types ({', '.join(EVENT_TYPES)}) or patterns of them (`price_*`, `*`)",
        examples=[["price_change"]],
    ),
]
Description = Annotated[str, Field(min_length=1, max_length=500)]
Schedule = Annotated[
    list[Annotated[int, Field(ge=1, le=LONGEST_WAIT)]],
    Field(
        max_length=LONGEST_SCHEDULE,
        description=f"seconds between tries, at most {LONGEST_TOGETHER} together; each is drawn between 80 and 120 %",
        examples=[[5, 60, 600]],
    ),
]
Values = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=10)]


class FiltersRequest(RequestModel):
    """What of the market is wanted: one of each list that is given. Rentals are not filtered."""

    gpu: Values = Field(default_factory=list, examples=[["H100"]])
    provider: Values = Field(default_factory=list)
    region: Values = Field(default_factory=list)

    def filters(self) -> Filters:
        return Filters(tuple(self.gpu), tuple(self.provider), tuple(self.region))


def _known(events: list[str]) -> list[str]:
    for pattern in events:
        if not _PATTERN.match(pattern) or not types_of((pattern,)):
            raise ValueError(f"name or match one of {', '.join(EVENT_TYPES)}")
    if len(set(events)) != len(events):
        raise ValueError("name something twice")
    return events


def _bounded(schedule: list[int] | None) -> list[int] | None:
    if schedule is not None and sum(schedule) > LONGEST_TOGETHER:
        raise ValueError(f"is over {LONGEST_TOGETHER} seconds together")
    return schedule


class WebhookRequest(RequestModel):
    """ordered: the messages of one offer, rental, provider or alert come one after the other; it cannot be changed."""

    url: Url
    events: Events
    description: Description | None = None
    filters: FiltersRequest = FiltersRequest()
    ordered: bool = False
    enabled: bool = True
    retry_schedule: Schedule | None = None

    _events = field_validator("events")(staticmethod(_known))
    _schedule = field_validator("retry_schedule")(staticmethod(_bounded))


class WebhookChange(RequestModel):
    """Fields that are given are replaced; `enabled` pauses and resumes; `retry_schedule: null` is the default again."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    filters: FiltersRequest | None = None
    enabled: bool | None = None
    retry_schedule: Schedule | None = None

    _schedule = field_validator("retry_schedule")(staticmethod(_bounded))

    @field_validator("events")
    @classmethod
    def _known_events(cls, events: list[str] | None) -> list[str] | None:
        return events if events is None else _known(events)

    @model_validator(mode="after")
    def _something(self) -> "WebhookChange":
        if not self.model_fields_set:
            raise ValueError("says nothing to change")
        for name in ("url", "events", "enabled"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self

    def changes(self) -> dict[str, Any]:
        """Field of Webhook -> its new value."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "events" in given:
            given["events"] = tuple(given["events"])
        if "filters" in given:
            given["filters"] = (self.filters or FiltersRequest()).filters()
        if given.get("retry_schedule") is not None:
            given["retry_schedule"] = tuple(given["retry_schedule"])
        return given


class ReplayRequest(RequestModel):
    """since: an RFC 3339 moment; what happened from then on is sent again, each under the id it had."""

    since: str = Field(min_length=10, max_length=40, examples=["2026-05-24T10:00:00Z"])
    status: Literal["all", "undelivered"] = Field("all", description="`undelivered` leaves out what was delivered")

    @field_validator("since")
    @classmethod
    def _a_moment(cls, value: str) -> str:
        try:
            parse_iso(value)
        except (ValueError, OverflowError):
            raise ValueError("is no RFC 3339 moment with a time zone") from None
        return value
