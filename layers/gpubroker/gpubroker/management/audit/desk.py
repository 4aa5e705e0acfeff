"""What callers may do with the audit log, and what it hears of by itself."""

from typing import Any

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock
from gpubroker.management.audit.entry import Event, subjects_of
from gpubroker.management.audit.items import EntryItem
from gpubroker.management.audit.log import AlreadyRecorded, AuditLog, Wanted
from gpubroker.management.audit.requests import AuditRequest
from gpubroker.management.audit.verify import Report, verify_and_anchor
from gpubroker.management.audit.views import AuditEventView, AuditPage
from gpubroker.management.canonical import bounded
from gpubroker.management.replays import replayed
from gpubroker.management.secrets import without_secrets
from gpubroker.management.views import Done

RECEIVED = Done(message="Audit event received")

# Of what the edge adds to every fact these say nothing of what happened.
_ENVELOPE = ("event_id", "traceparent")


class AuditDesk:
    def __init__(self, *, log: AuditLog, clock: Clock) -> None:
        self._log, self._clock = log, clock

    def receive(self, caller: Caller, wanted: AuditRequest, idempotency: Idempotency | None) -> Done:
        """Record an event that a caller tells of. Raises Invalid on `eventData`, Unavailable."""
        data: dict[str, Any] = without_secrets(bounded("eventData", wanted.event_data))
        actor = f"{caller.role.value}:{caller.subject}"
        first = without_secrets(wanted.subject) if wanted.subject else None
        event = Event(without_secrets(wanted.event_type), data, subjects_of(data, first, actor), actor)
        try:
            self._log.append(event, self._clock(), idempotency=idempotency, answer=RECEIVED.model_dump())
        except Problem as problem:
            return Done.model_validate(replayed(EntryItem, idempotency, problem))
        return RECEIVED

    def record(self, told: dict[str, Any]) -> None:
        """Record a fact of the bus, once however often it is delivered. Raises Unavailable."""
        detail, source = told["detail"], str(told["source"])
        data = {name: value for name, value in detail.items() if name not in _ENVELOPE}
        data = without_secrets(data)
        inner = data.get("data")
        subjects = subjects_of({**inner, **data} if isinstance(inner, dict) else data, None, source)
        event = Event(str(told["detail-type"]), data, subjects, source, str(detail["event_id"]))
        try:
            self._log.append(event, self._clock())
        except AlreadyRecorded:
            return

    def page(self, wanted: Wanted, limit: int, before: str | None) -> tuple[AuditPage, str | None]:
        found, onward = self._log.page(wanted, limit, before=before)
        return AuditPage(events=[AuditEventView.of(one) for one in found]), onward

    def verify(self) -> Report:
        """Go on verifying where the last run ended."""
        return verify_and_anchor(self._log, self._clock())
