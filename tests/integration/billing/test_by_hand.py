"""What administrators do with invoices by hand: credit notes, voiding, runs (418, 449, 451)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest

from gpubroker.billing.invoices.credit_note import CreditExceedsLine
from gpubroker.billing.invoices.invoice import InvoiceState, State
from gpubroker.billing.invoices.requests import CreditLine, CreditNoteRequest, RunRequest, VoidRequest
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage.idempotency import KeyReused
from tests.integration.billing.invoicing import World

OCT_10 = datetime(2026, 10, 10, 12, tzinfo=UTC)
ADMIN = Caller(Role.ADMIN, "usr_boss", "usr_boss")
REASON = "a fault of ours"


@pytest.fixture
def world(make_table: Any) -> Iterator[World]:
    make_table("billing")
    make_table("ledger")
    one = World()
    one.deposit(10_000_000)
    return one


def key(text: str, body: bytes = b"{}") -> Idempotency:
    return Idempotency.of(text, tenant="usr_boss", route="POST /credit-notes", body=body)


def facts(kind: str) -> list[dict[str, Any]]:
    items = boto3.resource("dynamodb").Table("billing").scan()["Items"]
    found = [json.loads(item["event"]) for item in items if "event" in item]
    return [one["data"] for one in found if one["type"] == kind]


def of_lines(*wanted: tuple[int, str | None]) -> CreditNoteRequest:
    lines = [CreditLine(line=number, amount=None if usd is None else Decimal(usd)) for number, usd in wanted]
    return CreditNoteRequest(lines=lines, reason=REASON)


def test_a_credit_note_gives_paid_money_back_once_and_says_who_did_it(world: World) -> None:
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    note = world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "0.5")), key("k1"))
    again = world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "0.5")), key("k1"))
    assert note == again
    assert (note.number, note.to_balance_micros) == ("2026-000001-C1", 500_000)
    assert world.balance() == 10_000_000 - 1_200_000 + 500_000
    after = world.again(invoice)
    assert (after.state, after.credited, after.overpaid, after.remaining) == (State.PAID, 500_000, 500_000, 0)
    [act] = facts("AdminIntervention")
    assert (act["action"], act["by"], act["reason"]) == ("credit-invoice", "usr_boss", REASON)
    assert len(facts("CreditNoteIssued")) == 1
    with pytest.raises(KeyReused):
        world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "0.6")), key("k1", b"other"))
    world.books_balance()


def test_a_line_is_never_credited_beyond_its_amount(world: World) -> None:
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "1")), key("k1"))
    with pytest.raises(CreditExceedsLine):
        world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "0.200001")), key("k2"))
    note = world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, None)), key("k3"))
    assert note.amount_micros == 200_000
    with pytest.raises(CreditExceedsLine):
        world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, None)), key("k4"))
    with pytest.raises(Invalid):
        world.admin.credit(ADMIN, invoice.invoice_id, of_lines((7, None)), key("k5"))
    assert world.balance() == 10_000_000
    world.books_balance()


def test_a_percentage_is_rounded_once_and_its_lines_add_up_to_it(world: World) -> None:
    for number in range(3):
        world.use(OCT_10, f"i-{number}", gpu_seconds=1000)  # 0.333333 or 0.333334 each
    invoice = world.run()
    request = CreditNoteRequest(percentage=Decimal("33.3333"), reason=REASON)
    note = world.admin.credit(ADMIN, invoice.invoice_id, request, key("k1"))
    assert note.amount_micros == 333_333
    assert sum(line.amount_micros for line in note.lines) == note.amount_micros
    assert world.desk.notes(ADMIN, invoice.invoice_id).credit_notes == [note]


def test_an_unpaid_invoice_is_lessened_first(world: World) -> None:
    world.book.transfer(_everything(world))
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    assert invoice.state is State.OPEN
    note = world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, "0.2")), key("k1"))
    assert (note.off_due_micros, note.to_balance_micros) == (200_000, 0)
    assert world.again(invoice).remaining == 1_000_000
    world.admin.credit(ADMIN, invoice.invoice_id, of_lines((1, None)), key("k2"))
    assert (world.again(invoice).state, world.balance()) == (State.PAID, 0)
    world.books_balance()


def _everything(world: World) -> Any:
    from gpubroker.ledger.transfers import Leg, Transfer

    return Transfer("txn_out", "withdrawal", (Leg(world.account_id, "house:clearing", world.balance()),))


def test_an_unpaid_invoice_can_be_given_up_and_a_paid_one_cannot(world: World) -> None:
    world.use(OCT_10, gpu_seconds=3600)
    paid = world.run()
    with pytest.raises(InvoiceState):
        world.admin.void(ADMIN, paid.invoice_id, VoidRequest(reason=REASON))
    other = World("usr_ben")
    other.deposit(0)
    other.use(OCT_10, gpu_seconds=3600)
    invoice = other.run()
    for _ in range(2):
        assert other.admin.void(ADMIN, invoice.invoice_id, VoidRequest(reason=REASON)).state == "void"
    assert other.settling.collect(_where(invoice)).state is State.VOID
    assert [act["action"] for act in facts("AdminIntervention")] == ["void-invoice"]


def _where(invoice: Any) -> Any:
    from gpubroker.billing.invoices.store import Where

    return Where(invoice.account_id, invoice.period, invoice.invoice_id)


@pytest.mark.parametrize(
    ("period", "account_id", "allowed"),
    [
        ("2026-10", None, True),
        ("2026-11", None, False),
        ("2026-11", "usr_anna", True),
        ("2026-12", "usr_anna", False),
        ("2026-12", None, False),
    ],
)
def test_a_run_is_of_a_month_that_is_over_or_a_final_invoice_of_one_account(
    world: World, period: str, account_id: str | None, allowed: bool
) -> None:
    request = RunRequest(period=period, account_id=account_id, reason=REASON)
    if not allowed:
        with pytest.raises(Invalid, match="period"):
            world.admin.run(ADMIN, request, None)
        assert facts("InvoiceRunRequested") == []
        return
    world.admin.run(ADMIN, request, key("k1"))
    world.admin.run(ADMIN, request, key("k1"))
    [told] = facts("InvoiceRunRequested")
    assert (told["period"], told["account_id"]) == (period, account_id)


@pytest.mark.parametrize("period", ["2026-13", "2026-1", "1999-01", "2026-10-01", "", "yesterday"])
def test_a_period_is_a_month(period: str) -> None:
    with pytest.raises(ValueError, match="month"):
        RunRequest(period=period, reason=REASON)
