"""What an account of billing may have, put where it is kept: an invoice with a line, a payment, a payment method."""

from dataclasses import dataclass
from datetime import UTC, datetime

from gpubroker.billing.invoices.invoice import Invoice, State, invoice_id_of
from gpubroker.billing.invoices.items import InvoiceItem, InvoiceOwnerItem
from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.billing.invoices.store import Invoices, line_pages
from gpubroker.billing.payments.items import MethodItem
from gpubroker.billing.payments.method import PaymentMethod, method_id_of
from gpubroker.billing.payments.payment import Payment, payment_id_of
from gpubroker.billing.payments.store import Payments

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Billed:
    invoice_id: str
    payment_id: str
    payment_method_id: str


def billed(account_id: str, *, state: State = State.OPEN) -> Billed:
    """An account with one of each."""
    line = Line(1, Kind.PLAN_FEE, "Team plan, October 2026", 2_000_000, "2026-10", "team", "plan")
    invoice = Invoice(
        invoice_id=invoice_id_of(account_id, "2026-10"),
        account_id=account_id,
        period="2026-10",
        build="b",
        lines=1,
        subtotal=2_000_000,
        discounts=0,
        rounding=0,
        total=2_000_000,
        settled=0,
        due=2_000_000,
        created_at=NOW,
        changed_at=NOW,
        state=state,
        number="2026-000001",
        issued_at=NOW,
        due_at=NOW,
    )
    Invoices.put_lines(invoice, line_pages([line]))
    InvoiceItem.of(invoice).save()
    InvoiceOwnerItem.of(invoice).save()
    token = f"tok_{account_id[-6:]}"
    method = PaymentMethod(method_id_of(account_id, token), account_id, token, "visa", "4242", 12, 2034, NOW)
    MethodItem.of(method).save()
    payment = Payment(
        payment_id_of("deposit", account_id), account_id, 5_000_000, "deposit", "dep_1", method.method_id, token,
        "card", NOW, NOW,
    )  # fmt: skip
    Payments().make(payment)
    return Billed(invoice.invoice_id, payment.payment_id, method.method_id)
