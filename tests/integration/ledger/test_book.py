"""The book: what each operation does, what it refuses, and that what is refused has changed nothing."""

import json
from dataclasses import replace
from datetime import timedelta

import botocore.client
import pytest

from gpubroker.kernel.errors import Invalid
from gpubroker.ledger.accounts import HOUSE_SHARDS, State
from gpubroker.ledger.book import Book, BudgetCharge, Leg, NewHold, Transfer
from gpubroker.ledger.holds import HoldState
from gpubroker.ledger.items import AccountItem
from gpubroker.ledger.problems import (
    AccountClosed,
    AccountFrozen,
    AccountNotFound,
    BudgetExceeded,
    HoldChanged,
    HoldConflict,
    HoldExceeded,
    HoldExists,
    HoldExpired,
    HoldNotFound,
    HoldResolved,
    InsufficientFunds,
    NotReversible,
    ReversalExceedsTransfer,
    TransferConflict,
    TransferExists,
    TransferNotFound,
)
from gpubroker.storage.transaction import transaction

ANNA, BEN, ORDER = "usr_anna", "usr_ben", "escrow:ord_1"


def everything(table):
    return {(item["pk"], item["sk"]): item for item in table.scan()["Items"]}


def pay(amount, transfer_id="t-1", *, debit=ANNA, credit=BEN, kind="payment", **reference):
    return Transfer(transfer_id, kind, (Leg(debit, credit, amount),), reference)


def test_an_account_is_opened_once_and_found_ever_after(book, clock):
    opened = book.open(ANNA, credit_limit=5)
    clock.tick(hours=1)
    assert book.open(ANNA) == opened == book.account(ANNA)
    assert (opened.state, opened.posted, opened.held, opened.credit_limit) == (State.OPEN, 0, 0, 5)


def test_a_transfer_moves_all_its_legs(book, funded):
    funded(ANNA, 1000)
    receipt = book.transfer(
        Transfer("t-1", "sale", (Leg(ANNA, "seller:vastai", 900), Leg(ANNA, "house:fees", 10)), {"rental_id": "ren_1"})
    )
    assert receipt.amount == 910
    assert book.receipt("t-1") == receipt
    assert [book.balance(one).posted for one in (ANNA, "seller:vastai", "house:fees", "house:clearing")] == [
        90, 900, 10, -1000,
    ]  # fmt: skip


def test_legs_on_one_account_are_one_change_of_it(book, funded):
    """DynamoDB refuses two actions on one item."""
    funded(ANNA, 100)
    book.transfer(
        Transfer("t-1", "sale", (Leg(ANNA, ORDER, 100), Leg(ORDER, "seller:x", 70), Leg(ORDER, "house:fees", 30)))
    )
    assert book.balance(ORDER).posted == 0
    order = book.account(ORDER)
    assert (order.credits, order.debits, order.postings) == (100, 100, 1)


@pytest.mark.parametrize(
    ("legs", "refusal"),
    [
        ((Leg(ANNA, BEN, 50), Leg(ANNA, "seller:x", 51)), InsufficientFunds),
        ((Leg(ANNA, "seller:x", 50), Leg(ANNA, "usr_nobody", 1)), AccountNotFound),
        ((Leg(ANNA, "seller:x", 50), Leg("escrow:none", BEN, 1)), AccountNotFound),
        ((Leg("seller:none", BEN, 1),), AccountNotFound),
        ((), Invalid),
        ((Leg(ANNA, ANNA, 1),), Invalid),
        ((Leg(ANNA, BEN, 0),), Invalid),
        ((Leg(ANNA, BEN, -1),), Invalid),
        ((Leg(ANNA, BEN, 10**18 + 1),), Invalid),
        ((Leg(ANNA, BEN, 1.0),), Invalid),
        ((Leg(ANNA, BEN, True),), Invalid),
        ((Leg(ANNA, "somebody", 1),), Invalid),
        ((Leg(ANNA, "house:fees/3", 1),), Invalid),
        ((Leg(ANNA, "escrow:a#b", 1),), Invalid),
    ],
)
def test_a_transfer_that_cannot_be_made_changes_nothing(book, funded, table, legs, refusal):
    funded(ANNA, 100), funded(BEN, 0)
    before = everything(table)
    with pytest.raises(refusal):
        book.transfer(Transfer("t-1", "sale", legs))
    assert everything(table) == before


def test_a_refusal_says_what_is_missing_and_where(book, funded):
    funded(ANNA, 100, credit_limit=20)
    funded(BEN, 0)
    with pytest.raises(InsufficientFunds) as refused:
        book.transfer(pay(121))
    assert refused.value.account_id == ANNA
    assert refused.value.extras == {"needed_micros": 121, "spendable_micros": 120}
    book.transfer(pay(120, "t-2"))
    assert book.balance(ANNA).available == -20


def test_an_id_acts_once_for_ever(book, funded, table, clock):
    """I3: the same payload has the same stored result, another is a conflict, and neither changes anything."""
    funded(ANNA, 100), funded(BEN, 0)
    receipt = book.transfer(pay(60, note="x"))
    before = everything(table)
    clock.tick(days=400)
    assert book.transfer(pay(60, note="x")) == receipt
    for other in (pay(61, note="x"), pay(60), pay(60, kind="gift", note="x"), pay(60, credit="seller:x", note="x")):
        with pytest.raises(TransferConflict):
            book.transfer(other)
    assert everything(table) == before


def test_a_refused_id_is_not_used_up(book, funded):
    """What was refused has changed nothing; sent again when the reason is gone, it acts."""
    funded(ANNA, 10), funded(BEN, 0)
    with pytest.raises(InsufficientFunds):
        book.transfer(pay(60))
    book.transfer(Transfer("more", "deposit", (Leg("house:clearing", ANNA, 50),)))
    assert book.transfer(pay(60)).amount == 60


def test_house_accounts_are_spread_over_their_shards_and_summed(book, funded, table):
    funded(ANNA, 1000)
    for number in range(24):
        book.transfer(pay(3, f"t-{number}", credit="house:fees"))
    assert book.balance("house:fees").posted == 72
    kept = [pk for pk, _ in everything(table) if pk.startswith("house:fees/") and pk.endswith("#ACCOUNT")]
    assert 8 <= len(kept) <= HOUSE_SHARDS


def test_one_transaction_a_transfer_and_a_hold(book, funded, monkeypatch):
    funded(ANNA, 1000), funded(BEN, 0)
    calls = []
    real = botocore.client.BaseClient._make_api_call

    def counted(client, operation, arguments):
        calls.append(operation)
        return real(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)

    def made(act):
        calls.clear()
        act()
        return calls.copy()

    write, read = "TransactWriteItems", "GetItem"
    assert made(lambda: book.transfer(pay(1))) == [write]
    assert made(lambda: book.hold(NewHold("h-1", ANNA, 10))) == [write]
    assert made(lambda: book.adjust("h-1", ANNA, 20)) == [read, write]
    assert made(lambda: book.capture("h-1", ANNA, "c-1", 20, {BEN: 20})) == [read, write]
    book.hold(NewHold("h-2", ANNA, 10))
    assert made(lambda: book.void("h-2", ANNA)) == [read, write]
    assert made(lambda: book.reverse("r-1", "t-1")) == [read, read, write]
    assert made(lambda: book.balance(ANNA)) == [read]
    book.hold(NewHold("h-3", ANNA, 10))
    assert made(lambda: book.balance(ANNA)) == [read, "Query"]


# ---------------------------------------------------------------- holds


def test_a_hold_takes_what_is_available_and_leaves_the_balance(book, funded):
    funded(ANNA, 100)
    held = book.hold(NewHold("h-1", ANNA, 70, reference={"rental_id": "ren_1"}))
    balance = book.balance(ANNA)
    assert (held.state, held.amount, balance.posted, balance.held, balance.available) == (
        HoldState.ACTIVE,
        70,
        100,
        70,
        30,
    )
    assert book.held("h-1", ANNA) == held


def test_what_is_held_counts_against_the_limit(book, funded):
    """TigerBeetle 52ad553f, docs/coding/two-phase-transfers.md: with 100 credited and 70 debited, 50 cannot be held."""
    funded(ANNA, 100), funded(BEN, 0)
    book.transfer(pay(70))
    with pytest.raises(InsufficientFunds):
        book.hold(NewHold("h-1", ANNA, 50))
    book.hold(NewHold("h-2", ANNA, 30))
    with pytest.raises(InsufficientFunds):
        book.transfer(pay(1, "t-2"))


def test_a_hold_comes_twice(book, funded, table):
    funded(ANNA, 100), funded(BEN, 100)
    new = NewHold("h-1", ANNA, 70, reference={"rental_id": "ren_1"})
    held = book.hold(new)
    before = everything(table)
    assert book.hold(new) == held
    assert book.hold(replace(new, budget=(BudgetCharge("org_1", "2026-05", 1),))) == held
    for other in (replace(new, amount=71), replace(new, account_id=BEN), replace(new, reference={})):
        with pytest.raises(HoldConflict):
            book.hold(other)
    assert everything(table) == before
    book.void("h-1", ANNA)
    assert book.hold(new) == held  # the stored answer: nothing is held anew
    assert book.balance(ANNA).held == 0


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (NewHold("h-1", "usr_nobody", 1), AccountNotFound),
        (NewHold("h-1", ANNA, 101), InsufficientFunds),
        (NewHold("h-1", ANNA, -1), Invalid),
        (NewHold("h-1", ANNA, 10**18 + 1), Invalid),
        (NewHold("", ANNA, 1), Invalid),
        (NewHold("h-1", "house:fees", 1), Invalid),
        (NewHold("h-1", ANNA, 1, budget=(BudgetCharge("b", "m", 1), BudgetCharge("b", "m", 2))), Invalid),
    ],
)
def test_a_hold_that_cannot_be_placed_changes_nothing(book, funded, table, wanted, refusal):
    funded(ANNA, 100)
    before = everything(table)
    with pytest.raises(refusal):
        book.hold(wanted)
    assert everything(table) == before


def test_a_capture_posts_what_ran_and_releases_the_rest(book, funded):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70, reference={"rental_id": "ren_1"}))
    receipt = book.capture("h-1", ANNA, "c-1", 40, {ORDER: 40})
    assert (receipt.amount, receipt.released, receipt.hold_id) == (40, 30, "h-1")
    assert receipt.reference == {"rental_id": "ren_1"}
    balance = book.balance(ANNA)
    assert (balance.posted, balance.held, balance.available, book.balance(ORDER).posted) == (60, 0, 60, 40)
    held = book.held("h-1", ANNA)
    assert (held.state, held.amount, held.captured, held.capture_id) == (HoldState.CAPTURED, 0, 40, "c-1")


def test_a_hold_is_resolved_once(book, funded, table):
    """I5. The same capture again has the same stored receipt."""
    funded(ANNA, 100), funded(BEN, 0)
    book.hold(NewHold("h-1", ANNA, 70))
    receipt = book.capture("h-1", ANNA, "c-1", 40, {BEN: 40})
    before = everything(table)
    assert book.capture("h-1", ANNA, "c-1", 40, {BEN: 40}) == receipt
    with pytest.raises(TransferConflict):
        book.capture("h-1", ANNA, "c-1", 41, {BEN: 41})
    with pytest.raises(HoldResolved):
        book.capture("h-1", ANNA, "c-2", 40, {BEN: 40})
    with pytest.raises(HoldResolved):
        book.void("h-1", ANNA)
    with pytest.raises(HoldResolved):
        book.adjust("h-1", ANNA, 10)
    assert everything(table) == before


@pytest.mark.parametrize(
    ("amount", "to", "refusal"),
    [
        (71, {BEN: 71}, HoldExceeded),
        (70, {BEN: 69}, Invalid),
        (70, {BEN: 71, ORDER: -1}, Invalid),
        (70, {ANNA: 70}, Invalid),
        (70, {"usr_nobody": 70}, AccountNotFound),
        (-1, {}, Invalid),
    ],
)
def test_a_capture_that_cannot_be_made_changes_nothing(book, funded, table, amount, to, refusal):
    funded(ANNA, 100), funded(BEN, 0)
    book.hold(NewHold("h-1", ANNA, 70))
    before = everything(table)
    with pytest.raises(refusal):
        book.capture("h-1", ANNA, "c-1", amount, to)
    with pytest.raises(HoldNotFound):
        book.capture("h-1", BEN, "c-1", 1, {ANNA: 1})
    assert everything(table) == before


def test_nothing_may_be_captured_and_all_is_released(book, funded):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70))
    receipt = book.capture("h-1", ANNA, "c-1", 0, {})
    assert (receipt.legs, receipt.released, book.balance(ANNA).available) == ((), 70, 100)
    assert book.capture("h-1", ANNA, "c-1", 0, {}) == receipt
    with pytest.raises(ReversalExceedsTransfer):
        book.reverse("r-1", "c-1")


def test_a_hold_is_voided_however_often(book, funded, table):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70))
    voided = book.void("h-1", ANNA)
    before = everything(table)
    assert book.void("h-1", ANNA) == voided
    assert (voided.state, voided.amount, book.balance(ANNA).available) == (HoldState.VOIDED, 0, 100)
    with pytest.raises(HoldResolved):
        book.capture("h-1", ANNA, "c-1", 1, {ORDER: 1})
    with pytest.raises(HoldNotFound):
        book.void("h-none", ANNA)
    assert everything(table) == before


def test_a_hold_grows_and_shrinks(book, funded):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70))
    assert book.adjust("h-1", ANNA, 100).amount == 100
    assert book.balance(ANNA).available == 0
    with pytest.raises(InsufficientFunds):
        book.adjust("h-1", ANNA, 101)
    assert book.adjust("h-1", ANNA, 20).amount == 20
    assert book.adjust("h-1", ANNA, 20).version == 3
    assert book.balance(ANNA).available == 80
    assert book.capture("h-1", ANNA, "c-1", 20, {ORDER: 20}).released == 0


def test_tigerbeetles_two_phases(book, funded, clock):
    """TigerBeetle 52ad553f, src/state_machine_tests.zig, "create/lookup 2-phase transfers". What differs: a void has
    no id of its own and no amount, an expired hold is answered as what it is, and a refused id is not used up (there
    id_already_failed)."""
    funded(ANNA, 1000), funded(BEN, 0)

    def post(hold_id, transfer_id, amount):
        return book.capture(hold_id, ANNA, transfer_id, amount, {BEN: amount} if amount else {})

    book.transfer(pay(15, "T1"))
    for hold_id, amount, seconds in (
        ("T2", 15, 1000),
        ("T3", 15, 50),
        ("T4", 15, 1),
        ("T5", 7, 50),
        ("T6", 1, 0),
        ("T7", 1, 0),
    ):
        until = clock.now + timedelta(seconds=seconds) if seconds else None
        book.hold(NewHold(hold_id, ANNA, amount, expires_at=until))
    assert (book.balance(ANNA).held, book.account(ANNA).debits) == (54, 15)
    clock.tick(seconds=1)

    assert post("T2", "T101", 13).amount == 13
    with pytest.raises(TransferConflict):
        post("T2", "T101", 14)
    assert post("T2", "T101", 13).amount == 13
    with pytest.raises(HoldNotFound):
        post("T1", "T102", 1)
    with pytest.raises(HoldNotFound):
        book.void("T1", ANNA)
    with pytest.raises(HoldResolved):
        post("T2", "T103", 13)
    with pytest.raises(HoldExceeded):
        post("T3", "T103", 16)
    assert book.void("T3", ANNA).state is HoldState.VOIDED
    with pytest.raises(HoldResolved):
        post("T3", "T104", 15)
    with pytest.raises(HoldExpired):
        post("T4", "T104", 15)
    assert book.void("T4", ANNA).state is HoldState.EXPIRED
    with pytest.raises(HoldExceeded):
        post("T5", "T105", 8)
    assert [post("T5", "T105", 7).amount, post("T6", "T106", 1).amount, post("T7", "T107", 0).amount] == [7, 1, 0]

    assert (book.account(ANNA).held, book.account(ANNA).debits, book.account(BEN).credits) == (0, 36, 36)


def test_an_expired_hold_is_void_whether_or_not_a_sweep_came_by(book, funded, clock):
    """I6: neither captured nor adjusted, and its money is free, though nobody has swept."""
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70, expires_at=clock.now + timedelta(seconds=60)))
    clock.tick(seconds=59.999)
    assert book.balance(ANNA).available == 30
    clock.tick(seconds=0.001)
    with pytest.raises(HoldExpired):
        book.capture("h-1", ANNA, "c-1", 1, {ORDER: 1})
    with pytest.raises(HoldExpired):
        book.adjust("h-1", ANNA, 1)
    book.hold(NewHold("h-2", ANNA, 100))
    assert book.held("h-1", ANNA).state is HoldState.EXPIRED
    assert book.balance(ANNA).held == 100


def test_a_balance_counts_no_expired_hold(book, funded, clock):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70, expires_at=clock.now + timedelta(seconds=60)))
    clock.tick(seconds=60)
    assert book.balance(ANNA).available == 100


def test_a_hold_that_was_extended_is_not_released_at_its_former_end(book, funded, clock):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 70, expires_at=clock.now + timedelta(seconds=60)))
    book.adjust("h-1", ANNA, 70, expires_at=clock.now + timedelta(seconds=120))
    clock.tick(seconds=60)
    assert not book.expire("h-1", ANNA)  # as told by an index that lags
    assert book.balance(ANNA).held == 70
    clock.tick(seconds=60)
    assert book.expire("h-1", ANNA)
    assert not book.expire("h-1", ANNA)


# ---------------------------------------------------------------- frozen and closed


@pytest.mark.parametrize(("state", "refusal"), [(State.FROZEN, AccountFrozen), (State.CLOSED, AccountClosed)])
def test_a_frozen_or_closed_account_takes_no_new_debits_and_settles_what_it_held(book, funded, state, refusal):
    """I11."""
    funded(ANNA, 100), funded(BEN, 100)
    for hold_id in ("h-1", "h-2", "h-3"):
        book.hold(NewHold(hold_id, ANNA, 20))
    assert book.set_state(ANNA, state).state is state
    for refused in (
        lambda: book.hold(NewHold("h-4", ANNA, 1)),
        lambda: book.adjust("h-1", ANNA, 21),
        lambda: book.transfer(pay(1)),
    ):
        with pytest.raises(refusal):
            refused()
    book.adjust("h-1", ANNA, 19)
    book.capture("h-1", ANNA, "c-1", 19, {ORDER: 19})
    book.void("h-2", ANNA)
    assert book.balance(ANNA).held == 20
    book.transfer(Transfer("refund", "refund", (Leg(ORDER, ANNA, 19),)))
    if state is State.CLOSED:
        with pytest.raises(AccountClosed):
            book.transfer(pay(5, debit=BEN, credit=ANNA))
    else:
        book.transfer(pay(5, debit=BEN, credit=ANNA))
    book.set_state(ANNA, State.OPEN)
    book.hold(NewHold("h-4", ANNA, 1))


def test_a_credit_limit_moves_what_may_be_spent(book, funded):
    funded(ANNA, 10), funded(BEN, 0)
    assert book.set_credit_limit(ANNA, 30).credit_limit == 30
    book.transfer(pay(40))
    assert book.balance(ANNA).spendable == 0
    book.set_credit_limit(ANNA, 0)
    assert (book.balance(ANNA).available, book.balance(ANNA).spendable) == (-30, 0)
    with pytest.raises(InsufficientFunds):
        book.hold(NewHold("h-1", ANNA, 1))
    book.transfer(pay(31, "t-2", debit=BEN, credit=ANNA))
    book.hold(NewHold("h-1", ANNA, 1))


@pytest.mark.parametrize("change", [lambda b, a: b.set_state(a, State.FROZEN), lambda b, a: b.set_credit_limit(a, 1)])
def test_only_accounts_that_are_there_change(book, change):
    with pytest.raises(AccountNotFound):
        change(book, "usr_nobody")
    with pytest.raises(Invalid):
        change(book, "house:fees")


# ---------------------------------------------------------------- reversals


def test_a_reversal_mirrors_its_original(book, funded):
    funded(ANNA, 1000)
    legs = (Leg(ANNA, "seller:x", 900), Leg(ANNA, "house:fees", 100))
    book.transfer(Transfer("t-1", "sale", legs, {"order_id": "ord_1"}))
    receipt = book.reverse("r-1", "t-1", reason="not delivered")
    assert receipt.legs == (Leg("seller:x", ANNA, 900), Leg("house:fees", ANNA, 100))
    assert (receipt.reverses, receipt.reference) == ("t-1", {"order_id": "ord_1", "reason": "not delivered"})
    assert [book.balance(one).posted for one in (ANNA, "seller:x", "house:fees")] == [1000, 0, 0]
    assert book.reverse("r-1", "t-1", reason="not delivered") == receipt


def test_reversals_never_add_up_to_more_than_the_original(book, funded, table):
    """I9: each part takes of every leg in proportion, fees too."""
    funded(ANNA, 1000)
    book.transfer(Transfer("t-1", "sale", (Leg(ANNA, "seller:x", 95), Leg(ANNA, "house:fees", 5))))
    assert [leg.amount for leg in book.reverse("r-1", "t-1", 33).legs] == [32, 1]
    assert [leg.amount for leg in book.reverse("r-2", "t-1", 33).legs] == [32, 1]
    with pytest.raises(ReversalExceedsTransfer):
        book.reverse("r-3", "t-1", 35)
    assert [leg.amount for leg in book.reverse("r-3", "t-1").legs] == [31, 3]
    before = everything(table)
    with pytest.raises(ReversalExceedsTransfer):
        book.reverse("r-4", "t-1", 1)
    with pytest.raises(TransferConflict):
        book.reverse("r-3", "t-1", 34)
    with pytest.raises(NotReversible):
        book.reverse("r-5", "r-1")
    with pytest.raises(TransferNotFound):
        book.reverse("r-5", "t-none")
    with pytest.raises(Invalid):
        book.reverse("r-5", "t-1", 0)
    assert everything(table) == before
    assert [book.balance(one).posted for one in (ANNA, "seller:x", "house:fees")] == [1000, 0, 0]


def test_a_seller_who_was_paid_out_owes_what_is_taken_back(book, funded):
    funded(ANNA, 100), funded(BEN, 0)
    book.transfer(pay(100, credit="seller:x"))
    book.transfer(pay(100, "payout", debit="seller:x", credit="house:clearing"))
    book.reverse("r-1", "t-1")
    assert (book.balance("seller:x").posted, book.balance(ANNA).posted) == (-100, 100)
    with pytest.raises(InsufficientFunds):
        book.transfer(pay(1, "payout-2", debit="seller:x", credit="house:clearing"))
    book.transfer(pay(50, "t-2"))
    with pytest.raises(InsufficientFunds):
        book.transfer(pay(51, "t-3", debit=BEN, credit=ANNA))


def test_a_user_who_spent_it_does_not_pay_back_what_is_not_there(book, funded):
    funded(ANNA, 100), funded(BEN, 0)
    book.transfer(pay(100))
    with pytest.raises(InsufficientFunds):
        book.reverse("r-1", f"fund-{ANNA}")
    assert book.balance(ANNA).posted == 0


# ---------------------------------------------------------------- budgets


def test_a_budget_is_enforced_by_the_hold(book, funded, table):
    funded("org_1", 1000)
    budget = (BudgetCharge("org_1", "2026-05", 100), BudgetCharge("org_1/usr_2", "2026-05", 60))
    book.hold(NewHold("h-1", "org_1", 60, budget=budget))
    before = everything(table)
    for amount in (1, 40, 101):
        with pytest.raises(BudgetExceeded):
            book.hold(NewHold("h-2", "org_1", amount, budget=budget))
    assert everything(table) == before
    book.hold(NewHold("h-2", "org_1", 40, budget=budget[:1]))
    book.hold(NewHold("h-3", "org_1", 60, budget=(BudgetCharge("org_1", "2026-06", 100),)))
    assert book.budget_use("org_1", "2026-05").used == 100


def test_a_budget_gets_back_what_was_not_spent(book, funded):
    funded("org_1", 1000)
    budget = (BudgetCharge("org_1", "2026-05", 100),)
    book.hold(NewHold("h-1", "org_1", 60, budget=budget))
    book.hold(NewHold("h-2", "org_1", 40, budget=budget))
    book.void("h-2", "org_1")
    with pytest.raises(BudgetExceeded):
        book.adjust("h-1", "org_1", 101)
    book.adjust("h-1", "org_1", 101, budget=(BudgetCharge("org_1", "2026-05", 101),))
    book.adjust("h-1", "org_1", 90)
    book.capture("h-1", "org_1", "c-1", 30, {ORDER: 30})
    use = book.budget_use("org_1", "2026-05")
    assert (use.used, use.spent) == (30, 30)
    with pytest.raises(BudgetExceeded):
        book.transfer(pay(71, debit="org_1", credit="seller:x"), budget=budget)
    book.transfer(pay(70, debit="org_1", credit="seller:x"), budget=budget)
    assert book.budget_use("org_1", "2026-05").spent == 100


# ---------------------------------------------------------------- part of a larger transaction


def test_a_hold_and_the_callers_own_writes_are_one(book, funded, table):
    funded(ANNA, 100)
    before = everything(table)
    mine = AccountItem(*AccountItem.key("usr_mine"), kind="user", opened_at="2026-05-24T10:00:00.000Z")
    with pytest.raises(InsufficientFunds), transaction(AccountItem) as tx:  # noqa: PT012 - the block is what is tested
        tx.put(mine)
        book.add_hold(tx, NewHold("h-1", ANNA, 101))
    assert everything(table) == before
    with transaction(AccountItem) as tx:
        tx.put(mine)
        assert book.add_hold(tx, NewHold("h-1", ANNA, 100)).amount == 100
    assert book.account("usr_mine").postings == 0
    with pytest.raises(HoldExists), transaction(AccountItem) as tx:
        book.add_hold(tx, NewHold("h-1", ANNA, 100))


def test_a_capture_that_was_overtaken_fails_the_callers_transaction(book, funded):
    funded(ANNA, 100)
    book.hold(NewHold("h-1", ANNA, 50))
    with pytest.raises(HoldChanged), transaction(AccountItem) as tx:  # noqa: PT012
        book.add_capture(tx, "h-1", ANNA, "c-1", 50, {ORDER: 50})
        book.adjust("h-1", ANNA, 60)
    with pytest.raises(HoldChanged), transaction(AccountItem) as tx:  # noqa: PT012
        book.add_void(tx, "h-1", ANNA)
        book.adjust("h-1", ANNA, 50)
    with pytest.raises(HoldChanged), transaction(AccountItem) as tx:  # noqa: PT012
        book.add_adjust(tx, "h-1", ANNA, 10)
        book.adjust("h-1", ANNA, 60)
    with transaction(AccountItem) as tx:
        book.add_capture(tx, "h-1", ANNA, "c-1", 50, {ORDER: 50})
    with pytest.raises(TransferExists), transaction(AccountItem) as tx:
        book.add_capture(tx, "h-1", ANNA, "c-1", 50, {ORDER: 50})
    with pytest.raises(TransferExists), transaction(AccountItem) as tx:
        book.add_transfer(tx, pay(1, "c-1", credit="seller:x"))


# ---------------------------------------------------------------- facts


def test_each_transfer_leaves_one_fact_in_its_own_transaction(book, funded, table):
    funded(ANNA, 100)
    book.transfer(pay(60, "t-1", credit="seller:x", order_id="ord_1"))
    facts = [json.loads(item["event"]) for (pk, _), item in everything(table).items() if pk.startswith("OUTBOX#")]
    told = {fact["subject"]: fact for fact in facts}
    assert len(facts) == 2
    assert told["t-1"]["type"] == "TransferPosted"
    assert told["t-1"]["data"] == {
        "transfer_id": "t-1",
        "kind": "payment",
        "legs": [{"debit": ANNA, "credit": "seller:x", "amount_micros": 60}],
        "reference": {"order_id": "ord_1"},
        "at": "2026-05-24T10:00:00.000Z",
    }


def test_a_book_needs_nothing_to_be_made():
    assert Book()


# ---------------------------------------------------------------- what happened


def test_activity_is_read_newest_first_by_pages(book, funded, clock):
    funded(ANNA, 100), funded(BEN, 0)
    for number in range(5):
        clock.tick(seconds=1)
        book.transfer(pay(number + 1, f"t-{number}", note=str(number)))
    pages, before = [], None
    while page := book.activity(ANNA, limit=2, before=before):
        pages.append([entry.transfer_id for entry in page])
        before = page[-1].place
    assert pages == [["t-4", "t-3"], ["t-2", "t-1"], ["t-0", f"fund-{ANNA}"]]
    newest = book.activity(ANNA, limit=1)[0]
    assert (newest.kind, newest.amount, newest.legs) == ("payment", -5, (Leg(ANNA, BEN, 5),))
    assert (newest.reference, newest.at) == ({"note": "4"}, clock.now)
    assert book.activity(BEN, limit=1)[0].amount == 5
    between = book.activity(ANNA, limit=9, since=clock.now - timedelta(seconds=2), until=clock.now)
    assert [entry.transfer_id for entry in between] == ["t-3", "t-2"]
    assert book.activity("usr_nobody", limit=9) == []


def test_activity_of_a_house_account_is_one_list(book, funded, clock):
    funded(ANNA, 100)
    for number in range(6):
        clock.tick(seconds=1)
        book.transfer(pay(1, f"t-{number}", credit="house:fees"))
    first = book.activity("house:fees", limit=4)
    rest = book.activity("house:fees", limit=4, before=first[-1].place)
    assert [entry.transfer_id for entry in first + rest] == [f"t-{number}" for number in (5, 4, 3, 2, 1, 0)]


def test_holds_of_an_account_are_listed(book, funded):
    funded(ANNA, 100)
    for number in range(3):
        book.hold(NewHold(f"h-{number}", ANNA, 1))
    book.void("h-1", ANNA)
    first = book.holds_of(ANNA, limit=2)
    rest = book.holds_of(ANNA, limit=2, before=first[-1].hold_id)
    found = [(one.hold_id, one.state) for one in first + rest]
    assert found == [("h-2", HoldState.ACTIVE), ("h-1", HoldState.VOIDED), ("h-0", HoldState.ACTIVE)]
