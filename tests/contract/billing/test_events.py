"""The facts of payments and invoices: samples, schemas, and the code agree (326, 445)."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import pytest

from gpubroker.billing.invoices import facts
from gpubroker.billing.invoices.credit_note import CreditNote
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.payments import facts as payment_facts
from gpubroker.billing.payments.payment import Payment
from gpubroker.billing.payments.payment import State as PaymentState
from gpubroker.kernel.events import Event
from tests.contract.events import Facts

FACTS = Facts("billing")
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
USER = "usr_01KSCN0000000000000000000A"
PAYMENT = Payment(
    "pay_01KSCN0000000000000000000P", USER, 25_000_000, "deposit", "dep_01KSCN0000000000000000000D", "pm_1", "tok_visa",
    "card", NOW, NOW,
)  # fmt: skip
INVOICE = Invoice(
    "inv_01KSCN0000000000000000000N", USER, "2026-10", "b", 1, 3_200_000, 0, 0, 3_200_000, 1_000_000, 2_200_000, NOW,
    NOW, number="2026-000123", due_at=datetime(2026, 11, 15, 6, tzinfo=UTC),
)  # fmt: skip
NOTE = CreditNote(
    "crn_01KSCN0000000000000000000C", "2026-000123-C1", INVOICE.invoice_id, USER, ((1, 500_000),), 500_000, 0, 500_000,
    "a fault", "usr_boss", NOW,
)  # fmt: skip


def paid(state: PaymentState, failure: str | None = None) -> Event:
    return payment_facts.moved(replace(PAYMENT, state=state, failure=failure), NOW)


def moved(state: State, by_balance: int = 0) -> Event:
    [event] = facts.of_change(State.DRAFT, replace(INVOICE, state=state, by_balance=by_balance), NOW)
    return event


TOLD = {
    "PaymentStarted": paid(PaymentState.PROCESSING),
    "PaymentSucceeded": paid(PaymentState.SUCCEEDED),
    "PaymentFailed": paid(PaymentState.FAILED, "card_declined"),
    "PaymentRefunded": paid(PaymentState.REFUNDED),
    "InvoiceIssued": moved(State.ISSUED),
    "InvoicePaid": moved(State.PAID, 2_200_000),
    "InvoicePastDue": moved(State.PAST_DUE),
    "InvoiceVoided": moved(State.VOID),
    "CreditNoteIssued": facts.note_issued(NOTE),
    "InvoiceRunRequested": facts.run_requested(Period(2026, 10), None, "usr_01KSCN0000000000000000000Z", NOW),
}


def test_every_kind_is_here_that_an_end_or_a_state_tells() -> None:
    assert set(payment_facts.TYPES.values()) | set(facts.OF_STATE.values()) < set(TOLD)
    assert facts.of_change(State.OPEN, replace(INVOICE, state=State.OPEN), NOW) == []


@pytest.mark.parametrize("kind", TOLD)
def test_each_sample_is_what_its_schema_says(kind: str) -> None:
    sample = FACTS.sample_of(kind)
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.billing")
    jsonschema.validate(sample["detail"], FACTS.schema_of(kind))


@pytest.mark.parametrize("kind", TOLD)
def test_what_is_told_is_what_the_schema_and_the_sample_say(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FACTS.published(TOLD[kind], monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.billing", kind)
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, FACTS.schema_of(kind))
    usual = {"event_id", "occurred_at", "traceparent", "correlation_id"}
    sample = FACTS.sample_of(kind)["detail"]
    assert {name: value for name, value in detail.items() if name not in usual} == {
        name: value for name, value in sample.items() if name not in usual
    }


@pytest.mark.parametrize("kind", TOLD)
def test_no_fact_has_room_for_a_card(kind: str) -> None:
    names = set(FACTS.schema_of(kind)["properties"])
    assert not {"token", "card", "last4", "payment_method_id"} & names
