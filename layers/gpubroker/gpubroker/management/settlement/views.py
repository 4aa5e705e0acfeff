"""What callers see of settlements, payouts and bank files. Amounts are USD, each with its exact twin in micro-dollars.

A bank account is shown by its last four characters.
"""

from typing import Literal

from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.kernel.time import iso
from gpubroker.management.settlement.payouts.file import BankFile, FileState
from gpubroker.management.settlement.payouts.payout import Payout, PayoutState
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.receipts import Receipt
from gpubroker.management.settlement.settlement import Settlement, State
from gpubroker.management.wire import WireView


class Instructed(WireView):
    """The seed's answer."""

    success: Literal[True] = True
    message: Literal["Settlement instruction received"] = "Settlement instruction received"


class StateView(WireView):
    state: State
    at: str
    detail: str | None


class ReceiptLineView(WireView):
    text: str
    amount: float
    amount_micros: MicroUsd


class ReceiptView(WireView):
    """kind: `payment` and `refund` are the buyer's, `proceeds` and `deduction` the seller's."""

    receipt_id: str
    kind: str
    party: str
    issued_at: str
    currency: Literal["USD"] = "USD"
    lines: list[ReceiptLineView]
    total: float
    total_micros: MicroUsd

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptView":
        return cls(
            receipt_id=receipt.receipt_id,
            kind=receipt.kind,
            party=receipt.party,
            issued_at=iso(receipt.issued_at),
            lines=[
                ReceiptLineView(text=line.text, amount=usd(line.amount), amount_micros=line.amount)
                for line in receipt.lines
            ],
            total=usd(receipt.total),
            total_micros=receipt.total,
        )


class PayoutView(WireView):
    payout_id: str
    method: str
    state: PayoutState
    amount: float
    amount_micros: MicroUsd
    bank_account: str | None
    file_id: str | None
    bank_reference: str | None
    reason: str | None
    changed_at: str

    @classmethod
    def of(cls, payout: Payout) -> "PayoutView":
        return cls(
            payout_id=payout.payout_id,
            method=payout.method,
            state=payout.state,
            amount=usd(payout.amount),
            amount_micros=payout.amount,
            bank_account=payout.bank_account.masked if payout.bank_account else None,
            file_id=payout.file_id,
            bank_reference=payout.bank_reference,
            reason=payout.reason,
            changed_at=iso(payout.changed_at),
        )


class ReversalView(WireView):
    """refund: what the buyer got back; of it, what came from the house's fees, from the seller, and what the house paid
    for the seller, who owes it since."""

    reversal_id: str
    at: str
    by: str
    reason: str
    refund: float
    refund_micros: MicroUsd
    buyer_fee_micros: MicroUsd
    seller_fee_micros: MicroUsd
    from_seller_micros: MicroUsd
    owed_micros: MicroUsd


class SettlementView(WireView):
    """state by state, with times, amounts and receipts. reason and detail: why it was refused or undone."""

    transaction_id: str
    settlement_id: str
    order_id: str
    buyer: str
    seller: str
    state: State
    reason: str | None
    detail: str | None
    currency: Literal["USD"] = "USD"
    amount: float
    amount_micros: MicroUsd
    buyer_fee: float
    buyer_fee_micros: MicroUsd
    seller_fee: float
    seller_fee_micros: MicroUsd
    buyer_pays: float
    buyer_pays_micros: MicroUsd
    seller_receives: float
    seller_receives_micros: MicroUsd
    refunded: float
    refunded_micros: MicroUsd
    requested_at: str
    settled_at: str | None
    states: list[StateView]
    payout: PayoutView | None
    reversals: list[ReversalView]
    receipts: list[ReceiptView]

    @classmethod
    def of(cls, settlement: Settlement, payout: Payout | None, receipts: list[Receipt]) -> "SettlementView":
        shares, failure = settlement.shares, settlement.failure
        return cls(
            transaction_id=settlement.transaction_id,
            settlement_id=settlement.settlement_id,
            order_id=settlement.order_id,
            buyer=settlement.buyer,
            seller=settlement.seller,
            state=settlement.state,
            reason=failure.code if failure else None,
            detail=failure.detail if failure else None,
            amount=usd(shares.amount),
            amount_micros=shares.amount,
            buyer_fee=usd(shares.buyer_fee),
            buyer_fee_micros=shares.buyer_fee,
            seller_fee=usd(shares.seller_fee),
            seller_fee_micros=shares.seller_fee,
            buyer_pays=usd(shares.buyer_pays),
            buyer_pays_micros=shares.buyer_pays,
            seller_receives=usd(shares.seller_receives),
            seller_receives_micros=shares.seller_receives,
            refunded=usd(settlement.refunded),
            refunded_micros=settlement.refunded,
            requested_at=iso(settlement.requested_at),
            settled_at=iso(settlement.settled_at) if settlement.settled_at else None,
            states=[StateView(state=one.state, at=iso(one.at), detail=one.detail) for one in settlement.changes],
            payout=PayoutView.of(payout) if payout else None,
            reversals=[
                ReversalView(
                    reversal_id=one.reversal_id,
                    at=iso(one.at),
                    by=one.by,
                    reason=one.reason,
                    refund=usd(one.refund),
                    refund_micros=one.refund,
                    buyer_fee_micros=one.buyer_fee,
                    seller_fee_micros=one.seller_fee,
                    from_seller_micros=one.from_seller,
                    owed_micros=one.owed,
                )
                for one in settlement.reversals
            ],
            receipts=[ReceiptView.of(one) for one in receipts],
        )


class PayeeView(WireView):
    seller: str
    method: str
    name: str | None
    bank_account: str | None
    owes: float
    owes_micros: MicroUsd

    @classmethod
    def of(cls, payee: Payee, owed: MicroUsd) -> "PayeeView":
        account = payee.bank_account
        return cls(
            seller=payee.seller,
            method=payee.method,
            name=account.name if account else None,
            bank_account=account.masked if account else None,
            owes=usd(owed),
            owes_micros=owed,
        )


class BankFileView(WireView):
    """payouts: in the answer about one file, all that is in it, as it is now."""

    file_id: str
    state: FileState
    opened_at: str
    written_at: str | None
    entries: int
    total: float
    total_micros: MicroUsd
    key: str | None
    sha256: str | None
    payouts: list[PayoutView] | None = None

    @classmethod
    def of(cls, file: BankFile, payouts: list[Payout] | None = None) -> "BankFileView":
        return cls(
            file_id=file.file_id,
            state=file.state,
            opened_at=iso(file.opened_at),
            written_at=iso(file.written_at) if file.written_at else None,
            entries=file.entries,
            total=usd(file.total),
            total_micros=file.total,
            key=file.key,
            sha256=file.sha256,
            payouts=None if payouts is None else [PayoutView.of(one) for one in payouts],
        )


class BankFilePage(WireView):
    files: list[BankFileView]
    next_cursor: str | None = None
