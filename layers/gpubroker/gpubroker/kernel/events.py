"""A fact that other contexts may hear of."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import utc_now
from gpubroker.kernel.trace import correlation_id_now, traceparent_now


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, once.

    type     PascalCase, the EventBridge detail type: `RentalReady`
    subject  the id of the thing it happened to; events of one subject keep their order
    data     the detail, of plain JSON values; its schema and sample stand in events/<context>/<type>.v1.json
    """

    type: str
    subject: str
    data: dict[str, Any]
    id: str = field(default_factory=lambda: new_id("evt"))
    occurred_at: datetime = field(default_factory=utc_now)
    traceparent: str | None = field(default_factory=traceparent_now)
    correlation_id: str | None = field(default_factory=correlation_id_now)
