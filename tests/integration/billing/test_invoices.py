"""The month of an account, from usage and rentals to a paid invoice (418, 441, 442, 445, 449)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpubroker.billing.credits.credit import Credit
from gpubroker.billing.credits.grant import Grant
from gpubroker.billing.credits.items import CreditItem
from gpubroker.billing.discounts.discount import Discount, Terms
from gpubroker.billing.discounts.items import DiscountItem
from gpubroker.billing.invoices.charge import NotEnded
from gpubroker.billing.invoices.invoice import State
from gpubroker.billing.payments.payment import State as PaymentState
from tests.integration.billing.invoicing import NOVEMBER, OCTOBER, World

OCT_10 = datetime(2026, 10, 10, 12, tzinfo=UTC)


@pytest.fixture
def world(make_table: Any) -> Iterator[World]:
    make_table("billing")
    make_table("ledger")
    return World()


def test_usage_becomes_lines_and_the_balance_pays_them(world: World) -> None:
    """(441, 442)"""
    world.deposit(10_000_000)
    world.use(OCT_10, "i-1", gpu_seconds=3600)
    world.use(OCT_10 + timedelta(hours=1), "i-1", gpu_seconds=1800)
    world.use(OCT_10, "i-2", cpu_seconds=36_000)
    invoice = world.run()
    assert world.lines(invoice) == [
        ("usage", "GPU time, i-1", 1_800_000),
        ("usage", "CPU time, i-2", 200_000),
    ]
    assert (invoice.state, invoice.due, invoice.by_balance, invoice.number) == (
        State.PAID,
        2_000_000,
        2_000_000,
        "2026-000001",
    )
    assert world.balance() == 8_000_000
    assert world.balance("house:usage") == 2_000_000
    world.books_balance()


def test_a_second_run_finds_the_first_ones_invoice(world: World) -> None:
    """(441)"""
    world.deposit(10_000_000)
    world.use(OCT_10, gpu_seconds=3600)
    first = world.run()
    world.use(OCT_10, gpu_seconds=600)  # late, and not this invoice's any more
    second = world.run()
    assert second == first
    assert world.balance() == 10_000_000 - 1_200_000
    world.books_balance()


def test_late_usage_bills_its_difference_on_the_next_invoice(world: World) -> None:
    """(441; vector kb-incremental-rebilling of killbill: only what was not billed before)"""
    world.deposit(100_000_000)
    world.use(OCT_10, "i-1", gpu_seconds=3600)
    world.run()
    world.use(OCT_10, "i-1", gpu_seconds=1800)
    world.now = datetime(2026, 12, 1, 6, tzinfo=UTC)
    world.use(datetime(2026, 11, 5, tzinfo=UTC), "i-1", gpu_seconds=3600)
    invoice = world.run(NOVEMBER)
    assert world.lines(invoice) == [
        ("usage", "GPU time, i-1", 1_200_000),
        ("late_usage", "GPU time, i-1, October 2026", 600_000),
    ]
    world.now = datetime(2027, 1, 1, 6, tzinfo=UTC)
    assert world.drafting.draft(world.account_id, NOVEMBER.next) is None, "and is not billed again"
    world.books_balance()


def test_tiers_go_on_where_they_stopped_when_usage_comes_late(world: World) -> None:
    """100 GB of egress a month are free, whenever they are told (443)."""
    world.deposit(100_000_000)
    world.use(OCT_10, "i-1", network_egress_mb=90_000)
    first = world.run()
    assert world.lines(first) == [("usage", "Network egress, i-1", 0)]
    world.use(OCT_10, "i-2", network_egress_mb=30_000)
    world.now = datetime(2026, 12, 1, 6, tzinfo=UTC)
    invoice = world.run(NOVEMBER)
    assert world.lines(invoice) == [("late_usage", "Network egress, i-2, October 2026", 1_600_000)]


def test_rentals_are_shown_as_paid_and_are_not_due(world: World) -> None:
    """(445)"""
    world.deposit(10_000_000)
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    invoice = world.run()
    assert world.lines(invoice) == [("rental", "H100 x1, vastai, 30 min, ren_1/m1", 1_000_000)]
    assert (invoice.total, invoice.settled, invoice.due, invoice.state) == (1_000_000, 1_000_000, 0, State.PAID)
    assert world.balance() == 10_000_000


def test_a_rental_confirmed_to_cost_less_shows_the_difference(world: World) -> None:
    world.deposit(10_000_000)
    with pytest.raises(NotEnded):
        world.rental_finalised("ren_1", 400_000, "2026-10-21T10:00:00.000Z")
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    for _ in range(2):
        world.rental_finalised("ren_1", 400_000, "2026-10-21T10:00:00.000Z")
    invoice = world.run()
    assert [amount for _, _, amount in world.lines(invoice)] == [1_000_000, -600_000]
    assert (invoice.total, invoice.due) == (400_000, 0)


def test_an_organisations_rental_is_on_its_invoice_and_so_is_what_it_was_confirmed_to_cost(world: World) -> None:
    detail = {"rental_id": "ren_1", "user_id": "usr_anna", "timestamp": "2026-10-20T10:00:00.000Z", "event_id": "evt_1"}
    data = {"account_id": "org_1", "lines": [], "final_cost_micros": 1_000_000, "billed_by": "gpubroker"}
    ended = data | {"ended_at": "2026-10-20T10:00:00.000Z"}
    world.rentals.take({"detail-type": "RentalEnded", "detail": detail | {"data": ended}})
    world.rental_finalised("ren_1", 400_000, "2026-10-21T10:00:00.000Z")
    assert [one.amount for one in world.months.charges("org_1", OCTOBER)] == [1_000_000, -600_000]
    assert world.months.charges("usr_anna", OCTOBER) == []


def test_what_a_rental_cost_after_its_month_was_invoiced_goes_to_the_next(world: World) -> None:
    world.deposit(10_000_000)
    world.use(OCT_10, gpu_seconds=3600)
    world.run()
    world.rental_ended("ren_1", 1_000_000, "2026-10-31T23:59:59.000Z")
    assert [entry.rental_id for entry in world.months.charges(world.account_id, NOVEMBER)] == ["ren_1"]
    world.now = datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert world.lines(world.run(NOVEMBER)) == [("rental", "H100 x1, vastai, 30 min, ren_1/m1", 1_000_000)]


def test_a_charge_that_comes_while_the_invoice_is_written_is_in_it_or_in_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deposit(10_000_000)
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    build, came = world.drafting.build, []

    def and_then(*arguments: Any) -> Any:
        built = build(*arguments)
        if not came:
            came.append(True)
            world.rental_ended("ren_2", 500_000, "2026-10-21T10:00:00.000Z", event_id="evt_9")
        return built

    monkeypatch.setattr(world.drafting, "build", and_then)
    invoice = world.run()
    assert sum(amount for _, _, amount in world.lines(invoice)) == 1_500_000
    keys = [item.sk for item in _pages(world, invoice)]
    assert all(key.startswith(invoice.build) for key in keys), "the pages of the first try are gone"


def _pages(world: World, invoice: Any) -> list[Any]:
    from gpubroker.billing.invoices.items import PageItem

    return list(PageItem.query(f"{world.account_id}#LINES#{invoice.invoice_id}"))


def test_discounts_and_credits_pay_first(world: World) -> None:
    """(442, 444)"""
    world.deposit(10_000_000)
    start = datetime(2026, 10, 1, tzinfo=UTC)
    discount = Discount("dis_1", Terms(percentage=Decimal(10)), start, name="Ten off")
    DiscountItem.of(world.account_id, discount, 1).save()
    CreditItem.of(Credit(world.account_id, Grant("crd_1", 800_000, start, start))).save()
    world.use(OCT_10, gpu_seconds=6000)
    invoice = world.run()
    assert world.lines(invoice) == [("usage", "GPU time, i-1", 2_000_000), ("discount", "Ten off", -200_000)]
    assert (invoice.due, invoice.by_credits, invoice.by_balance) == (1_800_000, 800_000, 1_000_000)
    assert world.balance("house:credits") == -800_000
    world.books_balance()


def test_the_amount_due_is_in_whole_cents(world: World) -> None:
    """Rounded half to even, once, by a line that says so (441)."""
    world.deposit(10_000_000)
    world.use(OCT_10, gpu_seconds=1000)  # 0.333333
    invoice = world.run()
    assert world.lines(invoice) == [("usage", "GPU time, i-1", 333_333), ("rounding", "Rounding to the cent", -3_333)]
    assert (invoice.due, invoice.by_balance, invoice.state) == (330_000, 330_000, State.PAID)


def test_a_card_pays_what_the_balance_does_not(world: World) -> None:
    """(445, 448)"""
    world.deposit(505_000)
    world.add_card()
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    assert (invoice.state, invoice.by_balance, invoice.by_card) == (State.PAID, 500_000, 700_000)
    assert [seen.amount for seen in world.processor.made.values()] == [700_000]
    assert world.balance() == 5_000
    world.books_balance()


def test_without_money_an_invoice_is_open_then_past_due_and_is_paid_when_money_comes(world: World) -> None:
    world.deposit(0)
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    assert (invoice.state, invoice.remaining) == (State.OPEN, 1_200_000)
    world.advance(days=15)
    assert world.settling.sweep() == {"past_due": 1}
    assert world.again(invoice).state is State.PAST_DUE
    world.deposit(2_000_000)
    world.advance(days=1)
    assert world.settling.sweep() == {"paid": 1}
    assert world.balance() == 800_000
    assert world.settling.sweep() == {}
    world.books_balance()


def test_a_declined_card_is_tried_again_later_and_another_card_at_the_next_look(world: World) -> None:
    world.deposit(0)
    world.add_card()
    world.processor.outcome = PaymentState.FAILED
    world.use(OCT_10, gpu_seconds=3600)
    invoice = world.run()
    assert (invoice.state, invoice.attempts) == (State.OPEN, 1)
    world.settling.attend(_where(invoice))
    assert len(world.processor.made) == 1, "not before the schedule says so"
    world.advance(days=1, minutes=1)
    world.settling.sweep()
    assert len(world.processor.made) == 2
    world.processor.outcome = PaymentState.SUCCEEDED
    world.add_card("tok_amex")
    world.advance(days=1, minutes=1)
    assert world.settling.sweep() == {"paid": 1}
    assert world.balance("house:usage") == 1_200_000
    world.books_balance()


def test_a_payment_whose_answer_is_lost_is_not_made_twice(world: World) -> None:
    """(445)"""
    world.deposit(5_000_000, "txn_early")
    world.book.transfer(_away(world, 5_000_000))
    world.add_card()
    world.use(OCT_10, gpu_seconds=3600)
    world.processor.lost = True
    invoice = world.run()
    assert invoice.state is State.OPEN
    world.deposit(9_000_000, "txn_late")  # and now the balance could pay it too
    world.processor.lost = False
    world.advance(minutes=5)
    assert world.cashier.sweep().counts == {"succeeded": 1}
    assert world.again(invoice).state is State.PAID
    world.settling.collect(_where(invoice))
    assert (world.balance(), world.balance("house:usage")) == (9_000_000, 1_200_000)
    assert len(world.processor.made) == 1


def _away(world: World, micros: int) -> Any:
    from gpubroker.ledger.transfers import Leg, Transfer

    return Transfer("txn_out", "withdrawal", (Leg(world.account_id, "house:clearing", micros),))


def _where(invoice: Any) -> Any:
    from gpubroker.billing.invoices.store import Where

    return Where(invoice.account_id, invoice.period, invoice.invoice_id)


def test_numbers_have_no_gaps(make_table: Any) -> None:
    """(449)"""
    make_table("billing")
    make_table("ledger")
    numbers = []
    for name in ("usr_a", "usr_b", "usr_c"):
        one = World(name)
        one.deposit(10_000_000, f"txn_{name}")
        one.use(OCT_10, gpu_seconds=3600)
        numbers.append(one.run().number)
        assert one.run().number == numbers[-1]
    assert numbers == ["2026-000001", "2026-000002", "2026-000003"]


def test_ten_thousand_lines_are_read_page_by_page(world: World) -> None:
    world.deposit(10**9)
    for number in range(900):
        world.use(OCT_10, f"i-{number:04d}", gpu_seconds=3600 + number)
    invoice = world.run()
    numbers = [line.number for line in world.invoices.lines(invoice)]
    assert numbers == list(range(1, invoice.lines + 1))
    assert [line.number for line in world.invoices.lines(invoice, 650)][:2] == [650, 651]
    assert sum(line.amount for line in world.invoices.lines(invoice)) == invoice.total


def test_what_the_house_owes_is_given_back(world: World) -> None:
    world.deposit(10_000_000)
    world.use(OCT_10, gpu_seconds=3600)
    draft = world.drafting.draft(world.account_id, OCTOBER)
    assert draft is not None
    world.settling.issue(_where(draft))
    world.invoices.change(_where(draft), lambda one, now: replace(one, due=-500_000, version=one.version + 1))
    invoice = world.settling.collect(_where(draft))
    assert (invoice.state, invoice.overpaid, world.balance()) == (State.PAID, 500_000, 10_500_000)
    world.books_balance()
