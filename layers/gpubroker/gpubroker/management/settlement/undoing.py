"""The way back of a settlement that is not settled: pure. What was done last is undone first, each step once."""

from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement import facts
from gpubroker.management.settlement.movements import FEES, RECEIVABLES, Leg, Post, Void, escrow_of, legs
from gpubroker.management.settlement.payouts import bank_file, payout
from gpubroker.management.settlement.payouts.payout import Payout, PayoutState
from gpubroker.management.settlement.rules import COMPLETED, START_WITHIN, Step, Superseded
from gpubroker.management.settlement.settlement import Failure, Settlement, State, Undo


class NotUnderWay(Conflict):
    code = "settlement-not-under-way"
    title = "This settlement is not under way"


def turn_back(settlement: Settlement, failure: Failure, now: datetime) -> Step:
    """A step cannot be done: from here on everything is undone, and the settlement ends as refused."""
    if settlement.state is State.UNDOING or settlement.state.at_rest:
        return Step(settlement)
    return _turned(replace(settlement, failure=failure, undo=Undo("workflow", final=False)), failure, now)


def give_up(settlement: Settlement, failure: Failure, *, by: str, now: datetime) -> Step:
    """An administrator has what is under way undone; a workflow of its own does it. Raises NotUnderWay."""
    if settlement.state.at_rest:
        raise NotUnderWay(f"The settlement of {settlement.transaction_id} is {settlement.state.value}.")
    if settlement.state is State.UNDOING:
        return Step(settlement)
    turned = replace(
        settlement,
        failure=failure,
        undo=Undo(by, final=True),
        executions=settlement.executions + 1,
        due_at=now + START_WITHIN,
    )
    step = _turned(turned, failure, now)
    return replace(step, facts=(facts.requested(step.settlement, now), *step.facts))


def cancel_payout(settlement: Settlement, paying: Payout, now: datetime) -> Step:
    """Take a payout back that is in no file yet; one that has left stays, and the seller will owe it."""
    _require_undoing(settlement)
    return with_cancelled(settlement, paying, now)


def with_cancelled(settlement: Settlement, paying: Payout, now: datetime) -> Step:
    """A settlement without a payout that is in no file yet, and what that moves."""
    if paying.state is not PayoutState.INSTRUCTED:
        return Step(settlement)
    changed = payout.cancelled(paying, now)
    reference = settlement.reference | {"payout_id": paying.payout_id}
    back = Post(
        f"{paying.payout_id}:cancel", "payout-cancelled", bank_file.back(paying.seller, paying.amount), reference
    )
    return Step(settlement, (facts.payout_changed(changed, now),), movements=(back,), payouts=(changed,))


def return_shares(settlement: Settlement, available: MicroUsd, now: datetime) -> Step:
    """The transfer out of escrow in mirrored legs, whole: both fees and the seller's net go back into escrow.

    available: what can be taken from the seller; what is short is paid by the house and owed by the seller.
    """
    _require_undoing(settlement)
    out = settlement.share_out
    if out is None:
        return Step(settlement)
    shares, escrow = settlement.shares, escrow_of(settlement.order_id)
    taken = max(0, min(available, out.to_seller))
    owed = out.to_seller - taken + out.collected
    post = Post(
        f"{out.transfer_id}:back",
        "settlement-undone",
        legs(
            Leg(settlement.seller, escrow, taken),
            Leg(RECEIVABLES, escrow, owed),
            Leg(FEES, escrow, shares.buyer_fee),
            Leg(FEES, escrow, shares.seller_fee),
        ),
        settlement.reference | {"reverses": out.transfer_id},
    )
    return Step(replace(settlement, share_out=None), movements=(post,), owed=owed)


def return_funds(settlement: Settlement, now: datetime) -> Step:
    """Escrow goes back to the buyer, or the hold is voided. What was in escrow before it began stays there."""
    _require_undoing(settlement)
    if settlement.hold_id is not None:
        return Step(replace(settlement, hold_id=None), movements=(Void(settlement.hold_id, settlement.buyer),))
    if settlement.captured_id is None:
        return Step(settlement)
    back = Post(
        f"{settlement.captured_id}:back",
        "capture-undone",
        (Leg(escrow_of(settlement.order_id), settlement.buyer, settlement.shares.buyer_pays),),
        settlement.reference | {"reverses": settlement.captured_id},
    )
    return Step(replace(settlement, captured_id=None), movements=(back,))


def conclude_undone(settlement: Settlement, now: datetime) -> Step:
    """Nothing of the try is left. Raises Superseded while something is."""
    if settlement.state.at_rest:
        return Step(settlement)
    _require_undoing(settlement)
    if settlement.share_out or settlement.captured_id or settlement.hold_id:
        raise Superseded(f"{settlement.settlement_id} is not undone yet")
    state = State.UNDONE if settlement.undo and settlement.undo.final else State.REFUSED
    detail = settlement.failure.detail if settlement.failure else None
    moved = replace(settlement, due_at=None).moved(state, now, detail)
    return Step(moved, (facts.state_changed(moved, now),), becomes=COMPLETED)


def _turned(settlement: Settlement, failure: Failure, now: datetime) -> Step:
    moved = settlement.moved(State.UNDOING, now, failure.detail)
    return Step(moved, (facts.state_changed(moved, now),))


def _require_undoing(settlement: Settlement) -> None:
    if settlement.state is not State.UNDOING:
        raise Superseded(f"{settlement.settlement_id} is {settlement.state.value}")
