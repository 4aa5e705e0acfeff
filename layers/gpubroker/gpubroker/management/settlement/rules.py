"""The way forward, from an instruction to settled: pure. A step that was done already changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement import facts, receipts
from gpubroker.management.settlement.facts import Fact
from gpubroker.management.settlement.movements import (
    FEES,
    RECEIVABLES,
    Capture,
    Hold,
    Leg,
    Movement,
    Post,
    escrow_of,
    legs,
)
from gpubroker.management.settlement.payouts.payout import Payout
from gpubroker.management.settlement.payouts.port import Prepared
from gpubroker.management.settlement.ports import NotSettleable, Trade
from gpubroker.management.settlement.receipts import Receipt
from gpubroker.management.settlement.settlement import (
    FORWARD,
    Funding,
    PayoutRef,
    Settlement,
    ShareOut,
    State,
)
from gpubroker.management.settlement.shares import Shares

COMPLETED, SETTLING, SETTLED, REVERSED = "completed", "settling", "settled", "reversed"
"""The statuses of a transaction (management's states) that settlement moves it between."""

START_WITHIN = timedelta(minutes=5)
"""How long after its instruction a workflow may take before the sweep looks for it."""


class Superseded(Exception):
    """The settlement goes another way by now: it is being undone, or was."""


@dataclass(frozen=True, slots=True)
class Step:
    """A settlement after a rule, and all that is written with it in one transaction.

    owed      how much more the seller owes the house (less, when negative)
    volume    1 when its amount is to be counted for the volumes of buyer and seller, -1 when it is to be taken off
    becomes   the status that its transaction comes to (management's states); None: it stays
    """

    settlement: Settlement
    facts: tuple[Fact, ...] = ()
    movements: tuple[Movement, ...] = ()
    payouts: tuple[Payout, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    owed: MicroUsd = 0
    volume: int = 0
    becomes: str | None = None


Rule = Callable[[Settlement], Step]


def settlement_id_of(transaction_id: str) -> str:
    """One settlement a transaction, for ever."""
    return named_id("stl", transaction_id)


def settleable(trade: Trade, status: str = COMPLETED) -> Shares:
    """What a transaction shares out. Raises NotSettleable unless it is completed and over something (26, 37)."""
    if trade.status != status:
        raise NotSettleable(f"Transaction {trade.transaction_id} is {trade.status}: only a completed one is settled.")
    if trade.shares is None:
        raise NotSettleable(f"Transaction {trade.transaction_id} is over nothing, or its fees are over its amount.")
    return trade.shares


def receive(trade: Trade, *, by: str, now: datetime) -> Step:
    """A new settlement for a transaction. Raises NotSettleable."""
    settlement = Settlement(
        settlement_id=settlement_id_of(trade.transaction_id),
        transaction_id=trade.transaction_id,
        order_id=trade.order_id,
        buyer=trade.buyer,
        seller=trade.seller,
        shares=settleable(trade),
        funding=trade.funding,
        requested_by=by,
        requested_at=now,
        due_at=now + START_WITHIN,
    ).moved(State.RECEIVED, now)
    told = (facts.requested(settlement, now), facts.state_changed(settlement, now))
    return Step(settlement, told, becomes=SETTLING)


def instruct_again(settlement: Settlement, trade: Trade, *, by: str, now: datetime, admin: bool = False) -> Step:
    """The instruction came again: a try that was refused is made anew, any other settlement is left alone.

    Raises NotSettleable for one that was reversed, or undone by an administrator (which an administrator starts again).
    """
    if settlement.state is State.REVERSED or (settlement.state is State.UNDONE and not admin):
        raise NotSettleable(f"The settlement of {settlement.transaction_id} was {settlement.state.value}.")
    if settlement.state not in (State.REFUSED, State.UNDONE):
        return Step(settlement)
    again = replace(
        settlement,
        shares=settleable(trade),
        seller=trade.seller,
        funding=trade.funding,
        requested_by=by,
        requested_at=now,
        rounds=settlement.rounds + 1,
        executions=settlement.executions + 1,
        looks=0,
        failure=None,
        undo=None,
        due_at=now + START_WITHIN,
    ).moved(State.RECEIVED, now)
    return Step(again, (facts.requested(again, now), facts.state_changed(again, now)), becomes=SETTLING)


def check(settlement: Settlement, trade: Trade, now: datetime) -> Step:
    """Read the transaction again: it may have changed since the instruction. Raises NotSettleable, Superseded."""
    if _is_past(settlement, State.CHECKED):
        return Step(settlement)
    if settleable(trade, SETTLING) != settlement.shares or trade.buyer != settlement.buyer:
        raise NotSettleable(
            f"Transaction {trade.transaction_id} is not what it was when its settlement was instructed."
        )
    return _moved(settlement, State.CHECKED, now)


def hold(settlement: Settlement, now: datetime) -> Step:
    """Set amount and buyer's fee aside; nothing is set aside where escrow has the money. Raises Superseded."""
    if _is_past(settlement, State.HELD):
        return Step(settlement)
    if settlement.funding is Funding.ESCROW:
        return _moved(settlement, State.HELD, now)
    hold_id = settlement.ledger_id("hold")
    wanted = Hold(hold_id, settlement.buyer, settlement.shares.buyer_pays, settlement.reference)
    return _moved(replace(settlement, hold_id=hold_id), State.HELD, now, movements=(wanted,))


def capture(settlement: Settlement, now: datetime) -> Step:
    """What is held goes to the order's escrow account. Raises Superseded."""
    if _is_past(settlement, State.CAPTURED):
        return Step(settlement)
    if settlement.hold_id is None:
        return _moved(settlement, State.CAPTURED, now)
    capture_id = settlement.ledger_id("capture")
    taken = Capture(
        settlement.hold_id,
        settlement.buyer,
        capture_id,
        settlement.shares.buyer_pays,
        escrow_of(settlement.order_id),
    )
    captured = replace(settlement, hold_id=None, captured_id=capture_id)
    return _moved(captured, State.CAPTURED, now, movements=(taken,))


def share_out(settlement: Settlement, owed: MicroUsd, now: datetime) -> Step:
    """Both fees to the house and the net to the seller, out of escrow, in one transfer (I7, I10); what the seller owes
    the house is kept from the net. Raises Superseded."""
    if _is_past(settlement, State.SHARED):
        return Step(settlement)
    shares, escrow = settlement.shares, escrow_of(settlement.order_id)
    collected = min(owed, shares.seller_receives)
    to_seller = shares.seller_receives - collected
    transfer_id = settlement.ledger_id("share-out")
    post = Post(
        transfer_id,
        "settlement",
        legs(
            Leg(escrow, settlement.seller, to_seller),
            Leg(escrow, FEES, shares.buyer_fee),
            Leg(escrow, FEES, shares.seller_fee),
            Leg(escrow, RECEIVABLES, collected),
        ),
        settlement.reference,
    )
    shared = replace(settlement, share_out=ShareOut(transfer_id, to_seller, collected))
    return _moved(shared, State.SHARED, now, movements=(post,), owed=-collected)


def pay_out(settlement: Settlement, prepared: Prepared | None, now: datetime, *, reason: str | None = None) -> Step:
    """Instruct the seller's payout as its rail prepared it; None when nothing is left to pay. Raises Superseded.

    reason: why it stays on the account where a bank file was wanted.
    """
    if _is_past(settlement, State.PAID_OUT):
        return Step(settlement)
    if prepared is None:
        return _moved(settlement, State.PAID_OUT, now)
    settlement, payout, movements = with_payout(settlement, prepared, now, reason=reason)
    step = _moved(settlement, State.PAID_OUT, now, movements=movements)
    return replace(step, facts=(*step.facts, facts.payout_changed(payout, now)), payouts=(payout,))


def with_payout(
    settlement: Settlement, prepared: Prepared, now: datetime, *, reason: str | None = None
) -> tuple[Settlement, Payout, tuple[Movement, ...]]:
    """The settlement with one more payout, the payout, and what it moves."""
    number = settlement.payouts + 1
    payout = Payout(
        payout_id=named_id("pay", settlement.settlement_id, number),
        settlement_id=settlement.settlement_id,
        transaction_id=settlement.transaction_id,
        buyer=settlement.buyer,
        seller=settlement.seller,
        method=prepared.method,
        amount=prepared.amount,
        number=number,
        state=prepared.state,
        made_at=now,
        changed_at=now,
        bank_account=prepared.bank_account,
        reason=reason,
    )
    reference = settlement.reference | {"payout_id": payout.payout_id}
    movements = (Post(payout.payout_id, "payout", prepared.legs, reference),) if prepared.legs else ()
    ref = PayoutRef(payout.payout_id, prepared.method, prepared.amount)
    return replace(settlement, payouts=number, payout=ref), payout, movements


def conclude(settlement: Settlement, now: datetime) -> Step:
    """Receipts, volumes, and the news. Raises Superseded."""
    if _is_past(settlement, State.SETTLED):
        return Step(settlement)
    written = receipts.of_settlement(settlement, now)
    done = replace(
        settlement,
        settled_at=now,
        due_at=None,
        failure=None,
        receipts=(*settlement.receipts, *(one.receipt_id for one in written)),
    )
    step = _moved(done, State.SETTLED, now)
    told = (*step.facts, facts.settled(step.settlement, now))
    return replace(step, facts=told, receipts=written, volume=1, becomes=SETTLED)


def _is_past(settlement: Settlement, state: State) -> bool:
    """Whether the way forward has passed a state. Raises Superseded when it is not taken any more, or out of order."""
    if settlement.state not in FORWARD:
        raise Superseded(f"{settlement.settlement_id} is {settlement.state.value}")
    here, there = FORWARD.index(settlement.state), FORWARD.index(state)
    if here < there - 1:
        raise Superseded(f"{settlement.settlement_id} is only {settlement.state.value}")
    return here >= there


def _moved(
    settlement: Settlement,
    state: State,
    now: datetime,
    *,
    movements: tuple[Movement, ...] = (),
    owed: MicroUsd = 0,
) -> Step:
    moved = settlement.moved(state, now)
    return Step(moved, (facts.state_changed(moved, now),), movements=movements, owed=owed)
