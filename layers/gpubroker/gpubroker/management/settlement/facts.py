"""What is told about settlements and payouts; schemas and samples stand in events/management/.

Nothing here holds a bank account.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import iso
from gpubroker.management.settlement.payouts.payout import Payout
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.settlement import Reversal, Settlement

EVENT_TYPES = (
    "SettlementRequested",
    "SettlementStateChanged",
    "TransactionSettled",
    "TransactionReversed",
    "PayoutStateChanged",
    "PayeeChanged",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a settlement (or a payout) at a moment; becomes an event when it is written."""

    type: str
    subject: str
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)

    def event(self) -> Event:
        return Event(type=self.type, subject=self.subject, occurred_at=self.at, data=self.data)


def requested(settlement: Settlement, at: datetime) -> Fact:
    """A workflow is to start: forward, or back when the settlement is being undone."""
    return Fact(
        "SettlementRequested",
        settlement.settlement_id,
        at,
        _names(settlement) | {"execution": settlement.execution, "by": settlement.requested_by, "at": iso(at)},
    )


def state_changed(settlement: Settlement, at: datetime) -> Fact:
    failure = settlement.failure
    data = _names(settlement) | {
        "seller": settlement.seller,
        "state": settlement.state.value,
        "reason": failure.code if failure else None,
        "detail": failure.detail if failure else None,
        "at": iso(at),
    }
    return Fact("SettlementStateChanged", settlement.settlement_id, at, data)


def settled(settlement: Settlement, at: datetime) -> Fact:
    shares = settlement.shares
    data = _names(settlement) | {
        "seller": settlement.seller,
        "amount_micros": shares.amount,
        "buyer_fee_micros": shares.buyer_fee,
        "seller_fee_micros": shares.seller_fee,
        "net_micros": shares.seller_receives,
        "at": iso(at),
    }
    return Fact("TransactionSettled", settlement.transaction_id, at, data)


def reversed_(settlement: Settlement, reversal: Reversal) -> Fact:
    """whole: whether nothing of the trade is left."""
    data = _names(settlement) | {
        "seller": settlement.seller,
        "reversal_id": reversal.reversal_id,
        "refund_micros": reversal.refund,
        "buyer_fee_micros": reversal.buyer_fee,
        "seller_fee_micros": reversal.seller_fee,
        "from_seller_micros": reversal.from_seller,
        "owed_micros": reversal.owed,
        "whole": settlement.refunded == settlement.shares.buyer_pays,
        "reason": reversal.reason,
        "by": reversal.by,
        "at": iso(reversal.at),
    }
    return Fact("TransactionReversed", settlement.transaction_id, reversal.at, data)


def payout_changed(payout: Payout, at: datetime) -> Fact:
    data = {
        "payout_id": payout.payout_id,
        "settlement_id": payout.settlement_id,
        "transaction_id": payout.transaction_id,
        "seller": payout.seller,
        "method": payout.method,
        "state": payout.state.value,
        "amount_micros": payout.amount,
        "file_id": payout.file_id,
        "reason": payout.reason,
        "at": iso(at),
    }
    return Fact("PayoutStateChanged", payout.payout_id, at, data)


def payee_changed(payee: Payee, by: str, at: datetime) -> Fact:
    """Where a seller's money goes was changed; the account is told by its last four characters."""
    account = payee.bank_account
    data = {
        "seller": payee.seller,
        "method": payee.method,
        "bank_account": account.masked if account else None,
        "by": by,
        "at": iso(at),
    }
    return Fact("PayeeChanged", payee.seller, at, data)


def _names(settlement: Settlement) -> dict[str, Any]:
    return {
        "settlement_id": settlement.settlement_id,
        "transaction_id": settlement.transaction_id,
        "order_id": settlement.order_id,
        "buyer": settlement.buyer,
    }
