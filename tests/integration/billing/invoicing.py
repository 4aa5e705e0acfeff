"""A world for invoices: usage as a test says it is, a processor that a test holds by the hand, everything else real."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gpubroker.billing.credits.store import Credits
from gpubroker.billing.discounts.store import Discounts
from gpubroker.billing.invoices.drafting import Drafting
from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.months import Months
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import UsageHour
from gpubroker.billing.invoices.proof import Proof, payer_of
from gpubroker.billing.invoices.rentals import RentalCharges
from gpubroker.billing.invoices.settling import InvoicePayments, Settling
from gpubroker.billing.invoices.store import Invoices, Where
from gpubroker.billing.invoices.terms import Terms
from gpubroker.billing.invoices.use_cases import AdminDesk, InvoiceDesk
from gpubroker.billing.payments.cashier import Cashier
from gpubroker.billing.payments.method import PaymentMethod, method_id_of
from gpubroker.billing.payments.payment import Card, Payment, Seen, State
from gpubroker.billing.payments.ports import ProcessorUnavailable, UnknownToken
from gpubroker.billing.payments.store import Methods, Payments
from gpubroker.billing.plans.store import Plans
from gpubroker.composition.invoices import ledger
from gpubroker.composition.payments import accounts
from gpubroker.ledger.book import Book
from gpubroker.ledger.transfers import Leg, Transfer

OCTOBER = Period(2026, 10)
NOVEMBER = Period(2026, 11)
FIRST = datetime(2026, 11, 1, 6, tzinfo=UTC)
"""When October's run begins."""


@dataclass
class FakeUsage:
    """Events by instance and hour; an hour is what its events make of it."""

    events_by_hour: dict[tuple[str, datetime], list[dict[str, Any]]] = field(default_factory=dict)
    number: int = 0

    def add(
        self, account_id: str, instance_id: str, at: datetime, *, received: datetime | None = None, **metrics: float
    ) -> str:
        """One event whose period begins then. Returns its id."""
        self.number += 1
        hour = at.replace(minute=0, second=0, microsecond=0)
        event = {
            "event_id": f"evt-{self.number:04d}",
            "user_id": account_id,
            "instance_id": instance_id,
            "metrics": metrics,
            "received_at": (received or at).isoformat(),
        }
        self.events_by_hour.setdefault((instance_id, hour), []).append(event)
        return str(event["event_id"])

    def hours(self, account_id: str, start: datetime, end: datetime) -> list[UsageHour]:
        found = []
        for (instance_id, hour), events in sorted(self.events_by_hour.items()):
            mine = [event for event in events if payer_of(event) == account_id]
            if not mine or not start <= hour < end:
                continue
            sums: dict[str, Decimal] = {}
            for event in mine:
                for name, value in event["metrics"].items():
                    sums[name] = sums.get(name, Decimal(0)) + Decimal(str(value))
            found.append(UsageHour(instance_id, hour, sums, len(mine), len(mine)))
        return found

    def events(self, instance_id: str, hour: datetime) -> Sequence[Mapping[str, Any]]:
        return self.events_by_hour.get((instance_id, hour), [])

    def complete_until(self) -> datetime | None:
        return None


@dataclass
class FakeProcessor:
    """Cards by token; payments by our id. `away` makes it silent, `lost` makes what it did unanswered."""

    name: str = "card"
    made: dict[str, Seen] = field(default_factory=dict)
    outcome: State = State.SUCCEEDED
    away: bool = False
    lost: bool = False

    def card(self, token: str) -> Card:
        if self.away:
            raise ProcessorUnavailable
        if not token.startswith("tok_"):
            raise UnknownToken
        return Card("visa", "4242", 12, 2034)

    def create_payment(self, payment: Payment) -> Seen:
        if self.away:
            raise ProcessorUnavailable
        if payment.payment_id not in self.made:
            failure = "card_declined" if self.outcome is State.FAILED else None
            self.made[payment.payment_id] = Seen(
                payment.payment_id, self.outcome, payment.amount, "USD", f"ch_{len(self.made)}", failure
            )
        if self.lost:
            raise ProcessorUnavailable
        return self.made[payment.payment_id]

    def get(self, payment_id: str) -> Seen | None:
        if self.away:
            raise ProcessorUnavailable
        return self.made.get(payment_id)

    def refund(self, payment: Payment) -> Seen:
        if self.away:
            raise ProcessorUnavailable
        seen = replace(self.made[payment.payment_id], state=State.REFUNDED)
        self.made[payment.payment_id] = seen
        return seen


class World:
    """Everything of billing put together, on one clock."""

    def __init__(self, account_id: str = "usr_anna") -> None:
        self.account_id = account_id
        self.now = FIRST
        self.usage, self.processor = FakeUsage(), FakeProcessor()
        self.book = Book(clock=self.clock)
        self.invoices = Invoices(clock=self.clock, sleep=_no_wait)
        self.months, self.methods = Months(), Methods()
        self.terms = Terms(plans=Plans(), discounts=Discounts(), credits=Credits())
        consequence = InvoicePayments(invoices=self.invoices, ledger=ledger())
        self.payments = Payments(consequences={"invoice": consequence}, sleep=_no_wait)
        self.cashier = Cashier(payments=self.payments, methods=self.methods, processor=self.processor, clock=self.clock)
        self.drafting = Drafting(
            invoices=self.invoices,
            months=self.months,
            usage=self.usage,
            terms=self.terms,
            clock=self.clock,
            sleep=_no_wait,
        )
        self.settling = Settling(
            invoices=self.invoices,
            ledger=ledger(),
            terms=self.terms,
            payments=self.payments,
            methods=self.methods,
            clock=self.clock,
            processor="card",
            charge=self.cashier.charge,
        )
        self.rentals = RentalCharges(months=self.months, sleep=_no_wait)
        self.proof = Proof(
            invoices=self.invoices, months=self.months, usage=self.usage, terms=self.terms, clock=self.clock
        )
        self.desk = InvoiceDesk(invoices=self.invoices, accounts=accounts(), proof=self.proof)
        self.admin = AdminDesk(invoices=self.invoices, ledger=ledger(), terms=self.terms, clock=self.clock)

    def clock(self) -> datetime:
        return self.now

    def advance(self, **how_long: float) -> None:
        self.now += timedelta(**how_long)

    # ------------------------------------------------------------ what happens

    def deposit(self, micros: int, transfer_id: str = "txn_deposit") -> None:
        self.book.open(self.account_id)
        if micros:
            self.book.transfer(Transfer(transfer_id, "deposit", (Leg("house:clearing", self.account_id, micros),)))

    def use(self, at: datetime, instance_id: str = "i-1", **metrics: float) -> str:
        return self.usage.add(self.account_id, instance_id, at, received=self.now, **metrics)

    def add_card(self, token: str = "tok_visa") -> PaymentMethod:  # noqa: S107
        method = PaymentMethod(
            method_id_of(self.account_id, token), self.account_id, token, "visa", "4242", 12, 2034, self.now
        )
        self.methods.save(method, default=True)
        return method

    def rental_ended(self, rental_id: str, micros: int, ended_at: str, *, event_id: str = "evt_1") -> None:
        line = {"member_id": "m1", "provider": "vastai", "gpu_model": "H100", "gpu_count": 1, "seconds": 1800}
        data = {
            "lines": [line | {"cost_micros": micros}],
            "final_cost_micros": micros,
            "billed_by": "gpubroker",
            "ended_at": ended_at,
        }
        self._rental("RentalEnded", rental_id, data, ended_at, event_id)

    def rental_finalised(self, rental_id: str, micros: int, at: str, *, event_id: str = "evt_2") -> None:
        self._rental("RentalFinalised", rental_id, {"final_cost_micros": micros}, at, event_id)

    def _rental(self, kind: str, rental_id: str, data: dict[str, Any], at: str, event_id: str) -> None:
        detail = {"rental_id": rental_id, "user_id": self.account_id, "data": data, "timestamp": at}
        self.rentals.take({"detail-type": kind, "detail": detail | {"event_id": event_id}})

    def run(self, period: Period = OCTOBER) -> Invoice:
        """What the workflow does for the account."""
        draft = self.drafting.draft(self.account_id, period)
        assert draft is not None
        where = Where(draft.account_id, draft.period, draft.invoice_id)
        self.settling.issue(where)
        return self.settling.collect(where)

    def again(self, invoice: Invoice) -> Invoice:
        return self.invoices.of(Where(invoice.account_id, invoice.period, invoice.invoice_id))

    def lines(self, invoice: Invoice) -> list[tuple[str, str, int]]:
        return [(line.kind.value, line.description, line.amount) for line in self.invoices.lines(invoice)]

    # ------------------------------------------------------------ what must hold

    def balance(self, account_id: str | None = None) -> int:
        return self.book.balance(account_id or self.account_id).posted

    def books_balance(self) -> None:
        """Everything that ever moved adds up to nothing, and the house has what invoices took."""
        houses = ("house:usage", "house:clearing", "house:credits", "house:adjustments")
        assert sum(self.balance(house) for house in houses) + self.balance() == 0


def _no_wait(seconds: float) -> None:
    del seconds


Make = Callable[[str], Any]
