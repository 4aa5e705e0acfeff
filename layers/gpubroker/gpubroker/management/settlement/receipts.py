"""Receipts: what a buyer paid and a seller got, as documents that never change; pure."""

from dataclasses import dataclass
from datetime import datetime

from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.settlement import Reversal, Settlement


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    amount: MicroUsd


@dataclass(frozen=True, slots=True)
class Receipt:
    """kind: `payment` and `refund` are the buyer's, `proceeds` and `deduction` the seller's. The lines add up."""

    receipt_id: str
    kind: str
    party: str
    settlement_id: str
    transaction_id: str
    order_id: str
    issued_at: datetime
    lines: tuple[Line, ...]
    total: MicroUsd


def of_settlement(settlement: Settlement, at: datetime) -> tuple[Receipt, Receipt]:
    """The buyer's and the seller's."""
    shares, out = settlement.shares, settlement.share_out
    collected = out.collected if out else 0
    amount = Line(f"Transaction {settlement.transaction_id}", shares.amount)
    proceeds = [amount, Line("Seller's fee", -shares.seller_fee)]
    if collected:
        proceeds.append(Line("Kept for what was owed", -collected))
    return (
        _receipt(settlement, "payment", settlement.buyer, at, (amount, Line("Buyer's fee", shares.buyer_fee))),
        _receipt(settlement, "proceeds", settlement.seller, at, tuple(proceeds)),
    )


def of_reversal(settlement: Settlement, reversal: Reversal) -> tuple[Receipt, Receipt]:
    """What the buyer got back, and what the seller gave."""
    back = reversal.refund - reversal.buyer_fee
    text = f"Reversal of transaction {settlement.transaction_id}"
    refund = (Line(text, back), Line("Buyer's fee", reversal.buyer_fee))
    deduction = (Line(text, -back), Line("Seller's fee", reversal.seller_fee))
    return (
        _receipt(settlement, "refund", settlement.buyer, reversal.at, refund, reversal.reversal_id),
        _receipt(settlement, "deduction", settlement.seller, reversal.at, deduction, reversal.reversal_id),
    )


def all_of(settlement: Settlement) -> list[Receipt]:
    """Every receipt that was written for a settlement, the oldest first."""
    if settlement.settled_at is None:
        return []
    written = [*of_settlement(settlement, settlement.settled_at)]
    for reversal in settlement.reversals:
        written += of_reversal(settlement, reversal)
    return written


def _receipt(
    settlement: Settlement, kind: str, party: str, at: datetime, lines: tuple[Line, ...], part: str = ""
) -> Receipt:
    return Receipt(
        receipt_id=named_id("rcp", settlement.settlement_id, settlement.rounds, kind, part),
        kind=kind,
        party=party,
        settlement_id=settlement.settlement_id,
        transaction_id=settlement.transaction_id,
        order_id=settlement.order_id,
        issued_at=at,
        lines=lines,
        total=sum(line.amount for line in lines),
    )
