"""Giving a settled trade back, in part or whole; paying out anew: pure."""

from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.errors import Conflict, FieldError, Invalid
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.management.settlement import facts, receipts
from gpubroker.management.settlement.movements import FEES, RECEIVABLES, Leg, Post, escrow_of, legs
from gpubroker.management.settlement.payouts.port import Prepared
from gpubroker.management.settlement.rules import REVERSED, Step, with_payout
from gpubroker.management.settlement.settlement import Reversal, Settlement, State
from gpubroker.management.settlement.shares import next_return

MOST_REVERSALS = 100
"""Part refunds of one trade: they stand in its item."""


class NotReversible(Conflict):
    code = "settlement-not-reversible"
    title = "This settlement cannot be reversed"


class MoreThanPaid(Invalid):
    code = "refund-over-payment"
    title = "More than is left of what the buyer paid"


class NothingToPayOut(Conflict):
    code = "nothing-to-pay-out"
    title = "There is nothing to start again"


def reverse(
    settlement: Settlement,
    refund: MicroUsd | None,
    *,
    available: MicroUsd,
    reversal_id: str,
    by: str,
    reason: str,
    now: datetime,
) -> Step:
    """Give `refund` (all that is left, when None) back to the buyer: from both fees in proportion, the rest from the
    seller (shares.returned). What the seller's account does not have, the house pays and the seller owes.

    available: what can be taken from the seller now. A reversal of that id that was made already changes nothing.
    Raises NotReversible, MoreThanPaid.
    """
    if any(one.reversal_id == reversal_id for one in settlement.reversals):
        return Step(settlement)
    if settlement.state is not State.SETTLED:
        raise NotReversible(f"The settlement of {settlement.transaction_id} is {settlement.state.value}.")
    if len(settlement.reversals) >= MOST_REVERSALS:
        raise NotReversible(f"It was reversed in {MOST_REVERSALS} parts already.")
    left = settlement.shares.buyer_pays - settlement.refunded
    refund = left if refund is None else refund
    if refund > left:
        message = f"is over the {usd(left):.6f} USD that are left of what the buyer paid"
        raise MoreThanPaid(f"amount: {message}", fields=(FieldError("amount", message),))
    part = next_return(settlement.shares, settlement.refunded, refund)
    taken = max(0, min(available, part.from_seller))
    reversal = Reversal(
        reversal_id, now, by, reason, refund, part.buyer_fee, part.seller_fee, taken, part.from_seller - taken
    )
    escrow = escrow_of(settlement.order_id)  # the way it came: what leaves escrow reaches a closed account too
    post = Post(
        reversal_id,
        "reversal",
        legs(
            Leg(settlement.seller, escrow, taken),
            Leg(RECEIVABLES, escrow, reversal.owed),
            Leg(FEES, escrow, part.buyer_fee),
            Leg(FEES, escrow, part.seller_fee),
            Leg(escrow, settlement.buyer, refund),
        ),
        settlement.reference | {"reverses": settlement.share_out.transfer_id if settlement.share_out else ""},
    )
    written = receipts.of_reversal(settlement, reversal)
    changed = replace(
        settlement,
        reversals=(*settlement.reversals, reversal),
        receipts=(*settlement.receipts, *(one.receipt_id for one in written)),
    )
    told = [facts.reversed_(changed, reversal)]
    whole = refund == left
    if whole:
        changed = changed.moved(State.REVERSED, now, reason)
        told.append(facts.state_changed(changed, now))
    return Step(
        changed,
        tuple(told),
        movements=(post,),
        receipts=written,
        owed=reversal.owed,
        volume=-1 if whole else 0,
        becomes=REVERSED if whole else None,
    )


def left_to_pay_out(settlement: Settlement) -> MicroUsd:
    """What of the trade is still the seller's: the net that was credited, less what reversals took of it."""
    if settlement.share_out is None:
        return 0
    return settlement.share_out.to_seller - sum(one.from_seller for one in settlement.reversals)


def pay_out_anew(settlement: Settlement, prepared: Prepared | None, now: datetime) -> Step:
    """Another payout of a settled trade, whose last one was cancelled or returned. Raises NothingToPayOut."""
    if settlement.state is not State.SETTLED or prepared is None:
        raise NothingToPayOut(f"The settlement of {settlement.transaction_id} is {settlement.state.value}.")
    changed, payout, movements = with_payout(settlement, prepared, now)
    return Step(changed, (facts.payout_changed(payout, now),), movements=movements, payouts=(payout,))
