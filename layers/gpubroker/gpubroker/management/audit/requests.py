"""What may be told to the audit log."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gpubroker.kernel.schemas import RequestModel
from gpubroker.management.audit.log import Wanted
from gpubroker.management.wire import Cursor, EventType, Id, Moment, WireRequest


class AuditRequest(WireRequest):
    """`eventData` is any object, of 64 KB and 20 levels at most. What looks like a secret in it is not kept."""

    event_type: EventType
    event_data: dict[str, Any]
    subject: Id | None = Field(None, description="what it is about; else the ids in eventData, by their usual names")


class AuditQuery(RequestModel):
    """Entries of a type, about a subject, recorded in [since, until); the newest first."""

    type: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    subject: Id | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must come before until")
        return self

    def wanted(self) -> Wanted:
        return Wanted(self.type, self.subject, self.since, self.until)

    def question(self) -> str:
        """Equal for the pages of one question."""
        return f"audit {self.model_dump(exclude={'limit', 'cursor'})}"
