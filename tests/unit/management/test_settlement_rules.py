"""The state machine of settlements: the way forward, the way back, reversals. Money that the rules move is weighed."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpubroker.management.settlement import overdue, reversing, rules, undoing
from gpubroker.management.settlement.movements import Capture, Hold, Movement, Post, Void
from gpubroker.management.settlement.payouts import payout
from gpubroker.management.settlement.payouts.payout import PayoutNotCancellable, PayoutResultRefused, PayoutState
from gpubroker.management.settlement.ports import NotSettleable
from gpubroker.management.settlement.results import heard
from gpubroker.management.settlement.reversing import MoreThanPaid, NothingToPayOut, NotReversible
from gpubroker.management.settlement.rules import Step, Superseded
from gpubroker.management.settlement.settlement import MOST_CHANGES, Failure, Funding, Settlement, State
from gpubroker.management.settlement.undoing import NotUnderWay
from tests.unit.management.settlements import (
    BUYER,
    NOW,
    SELLER,
    SHARES,
    STEPS,
    USD,
    at,
    payout_of,
    steps,
    taken,
    trade,
)

LATER = NOW + timedelta(hours=1)
FAILURE = Failure("insufficient-funds", "There is not enough money on the account.")


def posted(movements: list[Movement]) -> Counter[str]:
    """What a row of movements leaves on each account; what is held is still the account's."""
    sums: Counter[str] = Counter()
    for one in movements:
        legs = one.legs if isinstance(one, Post) else ()
        pairs = [(leg.debit, leg.credit, leg.amount) for leg in legs]
        if isinstance(one, Capture):
            pairs = [(one.account, one.to, one.amount)]
        for debit, credit, amount in pairs:
            assert amount > 0
            sums[debit] -= amount
            sums[credit] += amount
    return Counter({account: amount for account, amount in sums.items() if amount})


def movements(told: list[Step]) -> list[Movement]:
    return [one for step in told for one in step.movements]


def test_the_way_forward_moves_money_once_and_exactly() -> None:
    told = steps()
    assert [type(one) for one in movements(told)] == [Hold, Capture, Post]
    assert posted(movements(told)) == {BUYER: -1005 * USD, SELLER: 995 * USD, "house:fees": 10 * USD}
    assert [one.state.value for one in told[-1].settlement.changes] == list(STEPS)
    assert told[-1].settlement.due_at is None
    assert [step.becomes for step in told if step.becomes] == ["settling", "settled"]
    assert [step.volume for step in told] == [0, 0, 0, 0, 0, 0, 1]


def test_a_rental_is_paid_out_of_the_escrow_that_has_its_money() -> None:
    told = steps(funding=Funding.ESCROW)
    assert posted(movements(told)) == {"escrow:ord-42": -1005 * USD, SELLER: 995 * USD, "house:fees": 10 * USD}


def test_what_a_seller_owes_is_kept_from_the_net() -> None:
    told = steps(owed=700 * USD)
    assert posted(movements(told))[SELLER] == 295 * USD
    assert posted(movements(told))["house:receivables"] == 700 * USD
    assert [step.owed for step in told if step.owed] == [-700 * USD]
    told = steps(owed=5000 * USD)
    assert posted(movements(told))["house:receivables"] == 995 * USD
    assert told[-1].settlement.payout is None
    assert told[-1].settlement.state is State.SETTLED


@pytest.mark.parametrize("number", range(1, len(STEPS)))
def test_a_step_that_was_done_changes_nothing(number: int) -> None:
    settlement = at(STEPS[number])
    for state in STEPS[1 : number + 1]:
        assert taken(settlement, state, LATER) == Step(settlement)


@pytest.mark.parametrize("number", range(len(STEPS) - 2))
def test_a_step_out_of_order_is_none(number: int) -> None:
    with pytest.raises(Superseded):
        taken(at(STEPS[number]), STEPS[number + 2], LATER)


@pytest.mark.parametrize("status", ["pending", "failed", "settling", "settled", "reversed"])
def test_only_a_completed_transaction_is_settled(status: str) -> None:  # (26), (37)
    with pytest.raises(NotSettleable):
        rules.receive(trade(status=status), by="svc", now=NOW)


def test_a_transaction_over_nothing_is_not_settled() -> None:
    with pytest.raises(NotSettleable):
        rules.receive(trade(shares=None), by="svc", now=NOW)


def test_a_transaction_that_changed_since_is_refused() -> None:
    with pytest.raises(NotSettleable):
        rules.check(at("received"), trade(status="settling", shares=replace(SHARES, seller_fee=1)), NOW)
    with pytest.raises(NotSettleable):
        rules.check(at("received"), trade(status="failed"), NOW)


@pytest.mark.parametrize("state", STEPS)
def test_instructing_it_again_changes_nothing_while_it_stands(state: str) -> None:  # (37)
    settlement = at(state)
    assert rules.instruct_again(settlement, trade(), by="svc", now=LATER) == Step(settlement)


def undone(settlement: Settlement, told: list[Step], *, available: int = 10**12) -> list[Step]:
    """The whole way back."""
    steps_back = [undoing.turn_back(settlement, FAILURE, LATER)]
    if settlement.payout is not None:
        steps_back.append(undoing.cancel_payout(steps_back[-1].settlement, payout_of(told), LATER))
    steps_back.append(undoing.return_shares(steps_back[-1].settlement, available, LATER))
    steps_back.append(undoing.return_funds(steps_back[-1].settlement, LATER))
    steps_back.append(undoing.conclude_undone(steps_back[-1].settlement, LATER))
    return steps_back


@pytest.mark.parametrize("by_bank", [False, True])
@pytest.mark.parametrize("funding", list(Funding))
@pytest.mark.parametrize("state", STEPS[:-1])
def test_whatever_was_done_is_undone_whole(state: str, funding: Funding, by_bank: bool) -> None:
    forward = steps(state, by_bank=by_bank, funding=funding)
    back = undone(forward[-1].settlement, forward)
    assert posted(movements(forward + back)) == {}
    holds = [type(one) for one in movements(forward + back) if isinstance(one, Hold | Capture | Void)]
    assert holds in ([], [Hold, Void], [Hold, Capture])
    ended = back[-1].settlement
    assert (ended.state, ended.failure, ended.due_at) == (State.REFUSED, FAILURE, None)
    assert back[-1].becomes == "completed"
    for step in back[1:]:  # once more
        assert undoing.conclude_undone(ended, LATER) == Step(ended), step


def test_a_seller_who_has_spent_it_owes_it_when_it_is_undone() -> None:
    forward = steps("shared")
    back = undone(forward[-1].settlement, forward, available=100 * USD)
    assert posted(movements(forward + back)) == {SELLER: 895 * USD, "house:receivables": -895 * USD}
    assert sum(step.owed for step in back) == 895 * USD


def test_it_is_not_undone_before_everything_is_back() -> None:
    turned = undoing.turn_back(at("captured"), FAILURE, LATER).settlement
    with pytest.raises(Superseded):
        undoing.conclude_undone(turned, LATER)
    for forward in STEPS[2:]:
        with pytest.raises(Superseded):
            taken(turned, forward, LATER)


def test_a_refused_one_is_tried_anew_with_ids_of_its_own() -> None:
    forward = steps("held")
    refused = undone(forward[-1].settlement, forward)[-1].settlement
    again = rules.instruct_again(refused, trade(), by="svc", now=LATER).settlement
    assert (again.state, again.failure) == (State.RECEIVED, None)
    assert again.execution != at("received").execution
    second = taken(taken(again, "checked", LATER).settlement, "held", LATER)
    assert second.movements[0] != forward[-1].movements[0]


def test_what_an_administrator_had_undone_only_an_administrator_starts_again() -> None:
    turned = undoing.give_up(at("captured"), FAILURE, by="usr_admin", now=LATER)
    assert [fact.type for fact in turned.facts] == ["SettlementRequested", "SettlementStateChanged"]
    back = undoing.return_funds(turned.settlement, LATER).settlement
    ended = undoing.conclude_undone(back, LATER).settlement
    assert ended.state is State.UNDONE
    with pytest.raises(NotSettleable):
        rules.instruct_again(ended, trade(), by="svc", now=LATER)
    assert rules.instruct_again(ended, trade(), by="a", now=LATER, admin=True).settlement.state is State.RECEIVED
    with pytest.raises(NotUnderWay):
        undoing.give_up(ended, FAILURE, by="usr_admin", now=LATER)


def reverse(settlement: Settlement, refund: int | None, *, name: str = "rev_1", available: int = 10**12) -> Step:
    return reversing.reverse(
        settlement, refund, available=available, reversal_id=name, by="usr_admin", reason="asked for", now=LATER
    )


def test_reversals_in_parts_leave_nothing_behind() -> None:
    told = steps()
    for number, refund in enumerate((1, 333_333_333, 7, None)):
        told.append(reverse(told[-1].settlement, refund, name=f"rev_{number}"))
    assert posted(movements(told)) == {}
    last = told[-1]
    assert (last.settlement.state, last.becomes, last.volume) == (State.REVERSED, "reversed", -1)
    assert [step.volume for step in told[-4:-1]] == [0, 0, 0]
    assert len({one.receipt_id for step in told for one in step.receipts}) == 10
    for step in told:
        for receipt in step.receipts:
            assert receipt.total == sum(line.amount for line in receipt.lines)


def test_a_reversal_of_one_id_is_made_once() -> None:
    first = reverse(at("settled"), 10 * USD).settlement
    assert reverse(first, 10 * USD) == Step(first)


def test_what_is_not_there_is_owed() -> None:
    told = reverse(at("settled"), None, available=100 * USD)
    assert told.owed == 895 * USD
    assert posted(list(told.movements))["house:receivables"] == -895 * USD
    assert posted(list(told.movements))[BUYER] == 1005 * USD


@pytest.mark.parametrize("state", STEPS[:-1])
def test_only_what_is_settled_is_reversed(state: str) -> None:
    with pytest.raises(NotReversible):
        reverse(at(state), None)


def test_no_more_is_reversed_than_was_paid() -> None:
    part = reverse(at("settled"), 1000 * USD).settlement
    with pytest.raises(MoreThanPaid) as refused:
        reverse(part, 5 * USD + 1, name="rev_2")
    assert refused.value.fields[0].field == "amount"


def test_a_payout_leaves_once_or_is_cancelled() -> None:
    paying = payout_of(steps("paid_out", by_bank=True))
    assert paying.state is PayoutState.INSTRUCTED
    gone = payout.filed(paying, "pof_1", LATER)
    for done in (payout.cancelled(paying, LATER), gone):
        with pytest.raises(PayoutNotCancellable):
            payout.filed(done, "pof_2", LATER)
    with pytest.raises(PayoutNotCancellable):
        payout.cancelled(gone, LATER)


def test_what_a_bank_says_counts_once_and_a_return_may_follow_a_payment() -> None:
    gone = payout.filed(payout_of(steps("paid_out", by_bank=True)), "pof_1", LATER)
    said: dict[str, Any] = {"reference": None, "reason": None}
    paid = heard(gone, PayoutState.PAID, LATER, **said)
    assert paid is not None
    assert paid.movements == ()
    assert heard(paid.payout, PayoutState.PAID, LATER, **said) is None
    returned = heard(paid.payout, PayoutState.RETURNED, LATER, **said)
    assert returned is not None
    assert posted(list(returned.movements)) == {"house:clearing": -995 * USD, SELLER: 995 * USD}
    assert heard(returned.payout, PayoutState.RETURNED, LATER, **said) is None
    with pytest.raises(PayoutResultRefused):
        heard(returned.payout, PayoutState.PAID, LATER, **said)
    with pytest.raises(PayoutResultRefused):
        heard(payout_of(steps("paid_out")), PayoutState.RETURNED, LATER, **said)


def test_there_is_nothing_to_pay_out_anew_of_what_is_not_settled() -> None:
    with pytest.raises(NothingToPayOut):
        reversing.pay_out_anew(at("settled"), None, LATER)


def test_the_sweep_waits_longer_each_time_and_names_each_workflow_anew() -> None:
    settlement, names, waits = at("held"), set(), []
    for _ in range(8):
        step = overdue.started_anew(settlement, LATER)
        settlement = step.settlement
        assert settlement.due_at is not None
        names.add(settlement.execution)
        waits.append(settlement.due_at - LATER)
    assert len(names) == 8
    assert waits[0] == timedelta(minutes=5)
    assert waits == sorted(waits)
    assert waits[-1] == overdue.LONGEST_WAIT
    assert overdue.started_anew(at("settled"), LATER) == Step(at("settled"))
    assert overdue.stuck(settlement, LATER)
    assert not overdue.stuck(settlement, NOW + timedelta(minutes=29))


def test_a_settlement_that_is_tried_for_ever_stays_small() -> None:
    settlement = at("received")
    for _ in range(100):
        refused = undoing.conclude_undone(undoing.turn_back(settlement, FAILURE, NOW).settlement, NOW).settlement
        settlement = rules.instruct_again(refused, trade(), by="svc", now=NOW).settlement
    assert len(settlement.changes) == MOST_CHANGES
    assert settlement.rounds == 101
