"""Entries of the audit log as they are answered."""

from typing import Any

from pydantic import Field

from gpubroker.management.audit.log import Recorded
from gpubroker.management.wire import WireView


class AuditEventView(WireView):
    """`hash` is SHA-256 of the entry as it is stored, which holds `prevHash`, the hash of the one before it."""

    event_type: str
    event_data: dict[str, Any]
    subjects: list[str]
    actor: str = Field(description="who told of it")
    event_id: str | None = Field(description="of the fact of the house that it records")
    recorded_at: str
    chain: int
    sequence: int
    prev_hash: str
    hash: str

    @classmethod
    def of(cls, recorded: Recorded) -> "AuditEventView":
        entry = recorded.entry
        return cls(
            event_type=entry.type,
            event_data=entry.data,
            subjects=list(entry.subjects),
            actor=entry.actor,
            event_id=entry.event_id,
            recorded_at=entry.recorded_at,
            chain=entry.chain,
            sequence=entry.sequence,
            prev_hash=entry.prev_hash,
            hash=recorded.hash,
        )


class AuditPage(WireView):
    events: list[AuditEventView]
    next_cursor: str | None = None
