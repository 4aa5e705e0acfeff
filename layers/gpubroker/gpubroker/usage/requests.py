"""What may be sent and asked. The event is the seed's, to the letter; `event_id` and `org_id` may be left out."""

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gpubroker.kernel.schemas import RequestModel

MOST_EVENTS = 1000
"""Events of one call; the size of a body bounds them too."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$")]
Moment = Annotated[str, Field(max_length=40, description="RFC 3339, UTC", examples=["2026-07-15T14:30:00Z"])]
Percent = Annotated[float, Field(ge=0, le=100)]
Gigabytes = Annotated[float, Field(ge=0, le=1_000_000)]
Megabytes = Annotated[float, Field(ge=0, le=1_000_000_000)]
Seconds = Annotated[float, Field(ge=0, le=1_000_000_000, description="of all cores (or GPUs) together")]


class MetricFields(RequestModel):
    """At least one; what is left out was not measured, which is not zero. At most six decimal places."""

    cpu_seconds: Seconds | None = None
    cpu_percent_avg: Percent | None = None
    memory_gb: Gigabytes | None = None
    memory_percent: Percent | None = None
    storage_gb: Gigabytes | None = None
    network_egress_mb: Megabytes | None = None
    network_ingress_mb: Megabytes | None = None
    gpu_seconds: Seconds | None = None


class PeriodFields(RequestModel):
    """[start, end): at most an hour."""

    start: Moment
    end: Moment


class UsageEvent(RequestModel):
    """What an instance used in one period."""

    event_type: Literal["resource_usage"]
    version: Literal["1.0"]
    timestamp: Moment
    user_id: Id
    org_id: Id | None = None
    instance_id: Id
    metrics: MetricFields
    period: PeriodFields
    event_id: Id | None = None


class UsageEvents(RequestModel):
    """One event, a list of them, or `{"events": [...]}`.

    Each event is validated by itself (ingest.py), so that every wrong one is named by its index, whatever is wrong
    with the others. `single` tells one event from a list of one.
    """

    events: Annotated[list[Any], Field(min_length=1, max_length=MOST_EVENTS)]
    single: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, sent: Any) -> Any:
        if isinstance(sent, list):
            return {"events": sent}
        if isinstance(sent, dict) and "events" not in sent:
            return {"events": [sent], "single": True}
        if isinstance(sent, dict) and "single" in sent:
            raise ValueError("single is not a known field")
        return sent

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        event = handler(UsageEvent.__pydantic_core_schema__)
        several = {"type": "array", "items": event, "minItems": 1, "maxItems": MOST_EVENTS}
        batch = {
            "type": "object",
            "properties": {"events": several},
            "required": ["events"],
            "additionalProperties": False,
        }
        return {"title": "UsageEvents", "anyOf": [event, several, batch]}


Granularity = Literal["hour", "day", "month"]
MetricName = Literal[
    "cpu_seconds",
    "cpu_percent_avg",
    "memory_gb",
    "memory_gb_hours",
    "memory_percent",
    "storage_gb",
    "storage_gb_hours",
    "network_egress_mb",
    "network_ingress_mb",
    "gpu_seconds",
]


class HistoryFields(RequestModel):
    """A range in steps: at most 744 hours, 400 days or 36 months. Without a range, the last 24 hours, 30 days or 12
    months."""

    start: AwareDatetime | None = Field(None, description="RFC 3339; cut down to a full step")
    end: AwareDatetime | None = Field(None, description="RFC 3339, now unless said; filled up to a full step")
    granularity: Granularity = "hour"
    metrics: Annotated[list[MetricName], Field(max_length=10)] | None = Field(None, description="all unless said")

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if self.end and not self.start:
            raise ValueError("end needs start")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("start must be before end")
        return self
