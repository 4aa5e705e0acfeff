"""An invoice of 10,000 lines: from instance-hours to numbered lines, packed pages and the PDF. CPU of one core, and the
memory that it takes beside what the process had. Stores are stubbed; nothing of the work is.

2,000 instances with five priced resources each, a day's hours of each (48,000 instance-hours), graduated GPU and egress
prices, a discount. Beside the PDF alone reportlab's canvas draws the same cells on as many pages.
"""

import io
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gpubroker.billing.discounts.discount import Discount, Terms
from gpubroker.billing.discounts.store import Held
from gpubroker.billing.invoices import document, texts
from gpubroker.billing.invoices.drafting import Built, Drafting, _header
from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.line import Line
from gpubroker.billing.invoices.memory import BilledMonth, pages
from gpubroker.billing.invoices.packing import unpack
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import UsageHour
from gpubroker.billing.invoices.store import _line, line_pages
from gpubroker.billing.plans.plan import EPOCH, PlanPeriod, PlanVersion
from gpubroker.billing.rating import FlatModel, GraduatedModel, ResourcePrice, Tier
from gpubroker.billing.resources import UNITS
from tests.benchmarks.harness import Row, in_turn, p50, row

OCTOBER = Period(2026, 10)
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
INSTANCES = 2_000
HOURS = 24
LINES = 10_000
LIMIT_S = 2.0
LIMIT_MB = 256.0
ROUNDS = 5

_GPU = GraduatedModel((Tier(Decimal(10_000), Decimal("1.2")), Tier(None, Decimal("0.9"))))
_EGRESS = GraduatedModel((Tier(Decimal(100)), Tier(None, Decimal("0.08"))))
PLAN = PlanVersion(
    "team",
    1,
    "Team",
    EPOCH,
    (
        ResourcePrice("gpu_seconds", _GPU, "hour", UNITS["gpu_seconds"]["hour"]),
        ResourcePrice("cpu_seconds", FlatModel(Decimal("0.02")), "hour", UNITS["cpu_seconds"]["hour"]),
        ResourcePrice("storage_gb_hours", FlatModel(Decimal("0.08")), "gb_month", 730),
        ResourcePrice("network_egress_mb", _EGRESS, "gb", 1000),
        ResourcePrice("network_ingress_mb", FlatModel(Decimal("0.01")), "gb", 1000),
    ),
)


@dataclass
class Metered:
    """Usage and months as DynamoDB would tell them."""

    hours_of_october: list[UsageHour]

    def hours(self, account_id: str, start: datetime, end: datetime) -> Iterator[UsageHour]:
        return iter(self.hours_of_october if start == OCTOBER.start else ())

    def charges(self, account_id: str, period: Period) -> list[Any]:
        return []

    def billed(self, account_id: str, period: Period) -> BilledMonth:
        return BilledMonth()

    def instances(self, account_id: str, period: Period, billed: BilledMonth) -> dict[str, Any]:
        return {}

    def plans(self, account_id: str, start: datetime, end: datetime) -> list[PlanPeriod]:
        return [PlanPeriod(start, end, PLAN)]

    def discounts(self, account_id: str) -> list[Held]:
        return [Held(Discount("dis_1", Terms(percentage=Decimal(5), duration="forever"), EPOCH, name="Partner"), 1)]


def metered() -> Metered:
    found = []
    for hour in range(HOURS):
        at = OCTOBER.start + timedelta(days=hour % 31, hours=hour % 24)
        for number in range(INSTANCES):
            quantities = {
                "gpu_seconds": Decimal(3600 - number % 7),
                "cpu_seconds": Decimal(28_800 + number % 11),
                "storage_gb_hours": Decimal("25.731234") + number % 3,
                "network_egress_mb": Decimal("15.2"),
                "network_ingress_mb": Decimal("8.7") + number % 5,
            }
            found.append(UsageHour(f"instance_{number:06d}", at, quantities, 120, 3))
    return Metered(found)


def drafted(world: Metered) -> tuple[Built, Invoice, list[bytes]]:
    """What the workflow's first step does, but for its calls to DynamoDB."""
    drafting = Drafting(invoices=None, months=world, usage=world, terms=world, clock=lambda: NOW)  # type: ignore[arg-type]
    built = drafting.build("usr_bench", OCTOBER, NOW)
    invoice = _header("usr_bench", OCTOBER, built, NOW, None)
    packed = [page for _, page in line_pages(built.lines)]
    for _, _, one in built.months:
        packed += [page for _, page in pages(one.instances)]
    return built, invoice, packed


def read(packed: list[bytes]) -> Iterator[Line]:
    """Lines as the function of the PDF reads them."""
    for page in packed:
        yield from (_line(told) for told in unpack(page))


def whole(world: Metered) -> bytes:
    built, invoice, _ = drafted(world)
    return document.rendered(invoice, read([page for _, page in line_pages(built.lines)]))


def by_reportlab(lines: list[Line]) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas, y = Canvas(file, pageCompression=1), 56.0
    canvas.setFont("Helvetica", 8.5)
    for line in lines:
        if y > 775:
            canvas.showPage()
            canvas.setFont("Helvetica", 8.5)
            y = 56.0
        canvas.drawRightString(72, 842 - y, str(line.number))
        canvas.drawString(82, 842 - y, line.description)
        if line.quantity is not None:
            canvas.drawRightString(402, 842 - y, f"{texts.quantity(line.quantity)} {line.unit}")
        if line.rate is not None:
            canvas.drawRightString(474, 842 - y, texts.rate(line.rate))
        canvas.drawRightString(547, 842 - y, texts.money(line.amount))
        y += 15.5
    canvas.save()
    return file.getvalue()


def run() -> list[Row]:
    world = metered()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    built, invoice, packed = drafted(world)
    pdf = document.rendered(invoice, iter(built.lines))
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(built.lines) >= LINES, len(built.lines)
    assert sum(line.amount for line in built.lines) == invoice.total
    assert invoice.due % 10_000 == 0
    (together,) = in_turn(lambda: [lambda: whole(world)], rounds=ROUNDS, clock=time.process_time)
    ours, theirs = in_turn(
        lambda: [lambda: document.rendered(invoice, iter(built.lines))],
        lambda: [lambda: by_reportlab(built.lines)],
        rounds=ROUNDS,
        clock=time.process_time,
    )
    name = f"{len(built.lines):,} lines"
    return [
        row(f"{name} of 48,000 instance-hours, rated, packed and as PDF, CPU", p50(together), "s", limit=LIMIT_S),
        row(f"{name}: memory beside the usage itself", added, "MB", limit=LIMIT_MB),
        row(f"{name}: the PDF", len(pdf) / 1e6, "MB", limit=4.4),
        row(f"{name}: what is stored", sum(map(len, packed)) / 1e6, "MB"),
        row(f"{name}: the PDF alone, CPU", p50(ours), "s", peer="reportlab canvas", peer_value=p50(theirs), faster=1.0),
    ]
