"""From a line to the events that it is made of, and from an event to its line, or to the reason that it has none.

An hour is billed with all the events that it held when it was read; each invoice keeps how many those were. Events of
an hour are told in the order in which they arrived: so the first that many are in the first invoice, those that
followed in the next one that looked at the month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.billing.invoices.memory import BilledInstance, Part
from gpubroker.billing.invoices.months import Months
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import Usage
from gpubroker.billing.invoices.pricing import free, scope_of
from gpubroker.billing.invoices.store import InvoiceNotFound, Invoices, Where
from gpubroker.billing.invoices.terms import Terms
from gpubroker.kernel.time import Clock

HOURS_A_PAGE = 24
_HOUR = timedelta(hours=1)
_METRICS = {"storage_gb_hours": "storage_gb"}
"""Which metric of an event a resource is metered by, where it has another name."""

REASONS = {
    "unknown": "no such event was taken for this instance and hour",
    "period open": "its month has not been invoiced yet",
    "covered by rental": "the price of the rental covers it",
    "free tier": "it lies within what the plan gives free; the line says so",
    "not priced": "the plan has no price for anything it measured",
    "late, next invoice": "it came after its month was invoiced; the next invoice bills the difference",
}


@dataclass(frozen=True, slots=True)
class LineEvents:
    """Events of a line, by hour; `next_hour` where there are more."""

    events: list[Mapping[str, Any]]
    because: str | None = None
    next_hour: int | None = None


@dataclass(frozen=True, slots=True)
class Billed:
    """The lines that an event is in, of one invoice; or the reason that it is in none that costs something."""

    invoice: Invoice | None
    lines: tuple[tuple[int, str], ...] = ()
    reason: str | None = None


class Proof:
    def __init__(self, *, invoices: Invoices, months: Months, usage: Usage, terms: Terms, clock: Clock) -> None:
        self._invoices, self._months, self._usage = invoices, months, usage
        self._terms, self._clock = terms, clock

    # ------------------------------------------------------------ a line's events

    def events_of(self, invoice: Invoice, number: int, from_hour: int = 0) -> LineEvents:
        """What a line is made of; usage by hours, from one on. Raises InvoiceNotFound for a line that is not there."""
        line = next(self._invoices.lines(invoice, number), None)
        if line is None or line.number != number:
            raise InvoiceNotFound(f"The invoice has no line {number}.")
        if line.kind in (Kind.USAGE, Kind.LATE_USAGE) and line.quantity is not None:
            return self._usage_of(invoice, line, from_hour)
        if line.kind in (Kind.RENTAL, Kind.RENTAL_ADJUSTMENT):
            return LineEvents(self._rental_of(invoice, line))
        return LineEvents([], _BECAUSE[line.kind])

    def _rental_of(self, invoice: Invoice, line: Line) -> list[Mapping[str, Any]]:
        charge = self._months.rental_charge(invoice.account_id, line.source)
        wanted = "RentalEnded" if line.kind is Kind.RENTAL else "RentalFinalised"
        return [
            {"event_id": event_id, "event_type": kind, "timestamp": at, "rental_id": line.source}
            for event_id, kind, at in charge.events
            if kind == wanted
        ]

    def _usage_of(self, invoice: Invoice, line: Line, from_hour: int) -> LineEvents:
        month = Period.parse(line.period)
        billed = self._months.billed(invoice.account_id, month)
        before, now = BilledInstance(), BilledInstance()
        for part in billed.parts:
            found = self._months.instance(invoice.account_id, month, part, line.source)
            if part.invoice_id == invoice.invoice_id:
                now = found or now
                break
            before = found or before
        changed = sorted(
            hour for hour, read in now.hours.items() if hour >= from_hour and before.hours.get(hour) != read
        )
        metric = _METRICS.get(line.resource, line.resource)
        events: list[Mapping[str, Any]] = []
        for hour in changed[:HOURS_A_PAGE]:
            _, earlier = before.hours.get(hour, (0, 0))
            _, until = now.hours[hour]
            arrived = self._arrived(invoice.account_id, line.source, month.start + hour * _HOUR)
            events += [event for event in arrived[earlier:until] if event["metrics"].get(metric)]
        following = changed[HOURS_A_PAGE] if len(changed) > HOURS_A_PAGE else None
        return LineEvents(events, None, following)

    def _arrived(self, account_id: str, instance_id: str, hour: datetime) -> list[Mapping[str, Any]]:
        """The events of an hour that this account pays for, in the order in which they were taken."""
        mine = [event for event in self._usage.events(instance_id, hour) if payer_of(event) == account_id]
        return sorted(mine, key=lambda event: (str(event["received_at"]), str(event["event_id"])))

    # ------------------------------------------------------------ an event's line

    def line_of(self, account_id: str, instance_id: str, hour: datetime, event_id: str) -> Billed:
        """Which line an event is in, or why in none."""
        arrived = self._arrived(account_id, instance_id, hour)
        place = next((at for at, event in enumerate(arrived) if event["event_id"] == event_id), None)
        if place is None:
            return Billed(None, reason="unknown")
        month = Period.of(hour)
        metrics = [name for name, value in arrived[place]["metrics"].items() if value]
        number = (hour - month.start) // _HOUR
        billed = self._months.billed(account_id, month)
        for part in billed.parts:
            found = self._months.instance(account_id, month, part, instance_id)
            _, events = found.hours.get(number, (0, 0)) if found else (0, 0)
            if found is not None and place < events:
                return self._in(account_id, part, found, instance_id, month, metrics)
        reason = self._unpriced(account_id, instance_id, month, metrics)
        if reason is None:
            reason = "late, next invoice" if billed.parts else "period open"
        return Billed(None, reason=reason)

    def _in(
        self,
        account_id: str,
        part: Part,
        found: BilledInstance,
        instance_id: str,
        month: Period,
        metrics: Sequence[str],
    ) -> Billed:
        invoice = self._invoices.of(Where(account_id, part.period, part.invoice_id))
        lines: list[tuple[int, str]] = []
        for key, number in found.lines.items():
            resource = key.partition("|")[0]
            if _METRICS.get(resource, resource) in metrics and (number, resource) not in lines:
                lines.append((number, resource))
        lines.sort()
        if not lines:
            return Billed(None, reason=self._unpriced(account_id, instance_id, month, metrics) or "not priced")
        amounts = {line.number: line.amount for line in self._some(invoice, [number for number, _ in lines])}
        nothing = all(amounts.get(number) == 0 for number, _ in lines)
        return Billed(invoice, tuple(lines), "free tier" if nothing else None)

    def _some(self, invoice: Invoice, numbers: Sequence[int]) -> list[Line]:
        found = []
        for number in numbers:
            line = next(self._invoices.lines(invoice, number), None)
            if line is not None and line.number == number:
                found.append(line)
        return found

    def _unpriced(self, account_id: str, instance_id: str, month: Period, metrics: Sequence[str]) -> str | None:
        """Why nothing of it will ever cost anything; None where something may."""
        scope = scope_of(instance_id)
        for period in self._terms.plans(account_id, month.start, month.end):
            for price in period.plan.prices:
                measured = _METRICS.get(price.resource, price.resource) in metrics
                if measured and price.scope in ("all", scope) and not free(price):
                    return None
        return "covered by rental" if scope == "rental" else "not priced"


def payer_of(event: Mapping[str, Any]) -> str:
    """Whose account pays for an event: its organisation's, else its user's."""
    return str(event.get("org_id") or event["user_id"])


_BECAUSE = {
    Kind.USAGE: "a rule of the plan, not an event",
    Kind.LATE_USAGE: "a rule of the plan, not an event",
    Kind.PLAN_FEE: "the plan's monthly fee",
    Kind.MINIMUM_SPEND: "the plan's minimum spend, less what was used",
    Kind.MAXIMUM_SPEND: "the plan's maximum spend; what was used beyond it costs nothing",
    Kind.DISCOUNT: "a discount on the lines before it",
    Kind.ROUNDING: "the amount due in whole cents, half to even",
}
