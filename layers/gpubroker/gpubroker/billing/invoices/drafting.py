"""An account's month, gathered, priced and written down: the draft of its one invoice.

The pages are written first, under a name made of what is in them; the header, which names them, then commits the
whole, if nobody else did and nothing came in meanwhile. So a second run finds the invoice, two at once make one, and
one that dies leaves pages that count for nothing.
"""

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gpubroker.billing.discounts.discount import Discount, with_uses
from gpubroker.billing.discounts.store import Held
from gpubroker.billing.invoices.charge import lines_of
from gpubroker.billing.invoices.document import SECTIONS
from gpubroker.billing.invoices.invoice import COLLECT_AGAIN, Invoice, invoice_id_of
from gpubroker.billing.invoices.items import InvoiceItem
from gpubroker.billing.invoices.line import Kind, Line, totals
from gpubroker.billing.invoices.memory import BilledMonth, Part, pages
from gpubroker.billing.invoices.months import Months
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import Usage
from gpubroker.billing.invoices.pricing import Priced, priced, used
from gpubroker.billing.invoices.store import AlreadyDrafted, Invoices, Where, line_pages
from gpubroker.billing.invoices.terms import Terms
from gpubroker.billing.rating import half_even
from gpubroker.billing.rating.rounding import MICROS_PER_CENT
from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import Clock
from gpubroker.storage.transaction import StaleVersion, transaction

LATE_MONTHS = 2
"""Months before that are looked at for late usage: events are taken until 35 days after they happened."""
_TRIES = 8


@dataclass(slots=True)
class Built:
    """A draft before it is written."""

    lines: list[Line] = field(default_factory=list)
    months: list[tuple[Period, BilledMonth, Priced]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    """As they were read, and as this invoice leaves them."""
    by_resource: dict[str, int] = field(default_factory=dict)


class Drafting:
    def __init__(
        self,
        *,
        invoices: Invoices,
        months: Months,
        usage: Usage,
        terms: Terms,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._invoices, self._months, self._usage, self._terms = invoices, months, usage, terms
        self._clock, self._sleep, self._jitter = clock, sleep, jitter

    def draft(self, account_id: str, period: Period) -> Invoice | None:
        """The invoice of this month, made now or before; None where there is nothing to bill."""
        where = Where(account_id, str(period), invoice_id_of(account_id, str(period)))
        for attempt in range(_TRIES):
            found = self._invoices.find(where)
            if found is not None:
                return found
            try:
                return self._draft(account_id, period)
            except AlreadyDrafted:
                return self._invoices.of(where)
            except StaleVersion:  # something came in while it was gathered
                self._sleep(self._jitter() * 0.1 * 2**attempt)
        raise Unavailable(f"{account_id} is changing too fast; try again.", retry_after=1)

    def _draft(self, account_id: str, period: Period) -> Invoice | None:
        now = self._clock()
        window = self._months.window(account_id, period)
        built = self.build(account_id, period, now)
        if not built.lines:
            return None
        invoice = _header(account_id, period, built, now, self._usage.complete_until())
        part = Part(str(period), invoice.invoice_id, invoice.build)
        self._invoices.put_lines(invoice, line_pages(built.lines))
        for month, _, one in built.months:
            self._months.put_instances(account_id, month, part, one.instances)
        with transaction(InvoiceItem) as tx:
            self._invoices.add_draft(tx, invoice)
            self._months.add_close(tx, account_id, period, window, invoice.invoice_id)
            for month, billed, one in built.months:
                after = BilledMonth(one.amounts, [*billed.parts, part])
                self._months.add_billed(tx, account_id, month, billed, after)
            self._terms.add_uses(tx, account_id, built.held, built.discounts)
        self._invoices.drop_other_builds(invoice)
        for month, _, _ in built.months:
            self._months.drop_other_builds(account_id, month, part)
        return invoice

    def build(self, account_id: str, period: Period, now: datetime) -> Built:
        """Everything that this invoice holds, its lines numbered."""
        held = self._terms.discounts(account_id)
        built = Built(held=held, discounts=[one.discount for one in held])
        owned: list[tuple[Line, Priced | None, tuple[str, str] | None]] = []
        for entry in self._months.charges(account_id, period):
            owned += [(line, None, None) for line in lines_of(entry, str(period))]
        for month in _months(period):
            one = self._price(account_id, month, period, built.discounts, now)
            if one is None:
                continue
            billed, found = one
            built.discounts = with_uses(built.discounts, found.taken_off, str(month))
            if found.lines or found.instances or found.amounts != billed.amounts:
                built.months.append((month, billed, found))
            owned += [(line, found, owner) for line, owner in zip(found.lines, found.owners, strict=True)]
            for resource, amount in found.by_resource.items():
                built.by_resource[resource] = built.by_resource.get(resource, 0) + amount
        rounding = _rounding([line for line, _, _ in owned])
        if rounding:
            owned.append((Line(0, Kind.ROUNDING, "Rounding to the cent", rounding, str(period)), None, None))
            largest = max(built.by_resource, key=lambda one: built.by_resource[one])
            built.by_resource[largest] += rounding  # so that they add up to what is due
        owned.sort(key=lambda one: _ORDER[one[0].kind])  # stable: within a section as they were made
        for number, (line, found_in, owner) in enumerate(owned, 1):
            built.lines.append(replace(line, number=number))
            if found_in is not None and owner is not None:
                found_in.instances[owner[0]].lines[owner[1]] = number
        return built

    def _price(
        self, account_id: str, month: Period, period: Period, discounts: Sequence[Discount], now: datetime
    ) -> tuple[BilledMonth, Priced] | None:
        billed = self._months.billed(account_id, month)
        plans = self._terms.plans(account_id, month.start, month.end)
        usage = used(self._usage.hours(account_id, month.start, min(month.end, now)), month, plans)
        late = month != period
        if late and not usage and not billed.version:
            return None  # nothing was ever there
        before = self._months.instances(account_id, month, billed)
        found = priced(
            month,
            plans,
            usage,
            billed=billed,
            before=before,
            discounts=discounts,
            late=late,
            now=now,
        )
        return billed, found


_ORDER = {kind: place for place, (_, kinds) in enumerate(SECTIONS) for kind in kinds}


def _months(period: Period) -> Sequence[Period]:
    """The month itself first, then those before, whose late usage it bills."""
    months = [period]
    for _ in range(LATE_MONTHS):
        months.append(months[-1].previous)
    return months


def _rounding(lines: list[Line]) -> int:
    due = totals(lines).due
    return half_even(due, MICROS_PER_CENT) * MICROS_PER_CENT - due


def _header(account_id: str, period: Period, built: Built, now: datetime, complete_until: datetime | None) -> Invoice:
    sums = totals(built.lines)
    return Invoice(
        invoice_id=invoice_id_of(account_id, str(period)),
        account_id=account_id,
        period=str(period),
        build=_build(built),
        lines=len(built.lines),
        subtotal=sums.subtotal,
        discounts=sums.discounts,
        rounding=sums.rounding,
        total=sums.total,
        settled=sums.settled,
        due=sums.due,
        created_at=now,
        changed_at=now,
        next_at=now + COLLECT_AGAIN,
        complete_until=complete_until,
        by_resource=built.by_resource,
    )


def _build(built: Built) -> str:
    """The name of what is in a draft: the same content has the same name."""
    digest = hashlib.sha256()
    for _, page in line_pages(built.lines):
        digest.update(page)
    for month, billed, one in built.months:
        digest.update(f"{month}|{billed.version}|{sorted(one.amounts.items())}".encode())
        for _, page in pages(one.instances):
            digest.update(page)
    return digest.hexdigest()[:20]
