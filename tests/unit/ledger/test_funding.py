"""Deposits and withdrawals: which state leads where."""

from datetime import UTC, datetime

import pytest

from gpubroker.ledger.funding import deposit as deposits
from gpubroker.ledger.funding import withdrawal as withdrawals
from gpubroker.ledger.funding.deposit import Deposit, DepositNotCancellable, DepositState
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalDecided, WithdrawalState

NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)


def deposit(state: DepositState) -> Deposit:
    return Deposit("dep_1", "usr_1", 5, state, NOW, "usr_1")


def withdrawal(state: WithdrawalState) -> Withdrawal:
    return Withdrawal("wdr_1", "usr_1", 5, "a bank", state, NOW, "usr_1")


@pytest.mark.parametrize("state", list(DepositState))
def test_money_that_came_completes_a_deposit_in_any_state(state: DepositState) -> None:
    after = deposits.completed(deposit(state), "pay_1", 4, NOW)
    assert (after.state, after.credited, after.payment_id) == (DepositState.COMPLETED, 4, "pay_1")
    assert deposits.completed(after, "pay_2", 4, NOW).credited == 8


@pytest.mark.parametrize("state", list(DepositState))
def test_what_comes_after_an_outcome_changes_nothing(state: DepositState) -> None:
    one = deposit(state)
    moves = {
        "failed": state in (DepositState.REQUESTED, DepositState.PROCESSING),
        "processing": state is DepositState.REQUESTED,
    }
    assert (deposits.failed(one, "pay_1", "declined", NOW) is not one) == moves["failed"]
    assert (deposits.processing(one, "pay_1", NOW) is not one) == moves["processing"]


@pytest.mark.parametrize("state", list(DepositState))
def test_a_deposit_is_cancelled_while_nothing_has_begun(state: DepositState) -> None:
    if state in (DepositState.REQUESTED, DepositState.CANCELLED):
        assert deposits.cancelled(deposit(state), NOW).state is DepositState.CANCELLED
    else:
        with pytest.raises(DepositNotCancellable):
            deposits.cancelled(deposit(state), NOW)


ALLOWED = {
    ("requested", "approved"),
    ("requested", "rejected"),
    ("requested", "cancelled"),
    ("approved", "paid"),
    ("approved", "rejected"),
}


@pytest.mark.parametrize("before", list(WithdrawalState))
@pytest.mark.parametrize("to", list(WithdrawalState))
def test_a_withdrawal_moves_as_the_table_says_and_no_other_way(before: WithdrawalState, to: WithdrawalState) -> None:
    one = withdrawal(before)
    if before is to:
        assert withdrawals.moved(one, to, by="usr_2", reason="r", now=NOW) is one
    elif (before.value, to.value) in ALLOWED:
        assert withdrawals.moved(one, to, by="usr_2", reason="r", now=NOW).state is to
    else:
        with pytest.raises(WithdrawalDecided):
            withdrawals.moved(one, to, by="usr_2", reason="r", now=NOW)
