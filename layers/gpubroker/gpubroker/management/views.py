"""Orders, transactions and fees as they are answered."""

from typing import Literal

from pydantic import Field

from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.management.fees import FeeConfig
from gpubroker.management.order import BilledBy, Order, Source
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.transaction import Transaction
from gpubroker.management.wire import WireView, money


class Done(WireView):
    """What a message to the management tier is answered with."""

    success: Literal[True] = True
    message: str


class OrderView(WireView):
    """Fees in per cent, as they were fixed when the order was made; `traded` is the sum of its transactions that have
    not failed."""

    order_id: str
    user_id: str
    seller_id: str
    status: OrderStatus
    amount: float
    amount_micros: int
    currency: Literal["USD"] = "USD"
    traded: float
    traded_micros: int
    fee_version: int
    buyer_fee: float
    seller_fee: float
    source: Source
    billed_by: BilledBy
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        return cls(
            order_id=order.order_id,
            user_id=order.user_id,
            seller_id=order.seller_id,
            status=order.status,
            fee_version=order.terms.fee_version,
            buyer_fee=float(order.terms.buyer_pct),
            seller_fee=float(order.terms.seller_pct),
            source=order.source,
            billed_by=order.billed_by,
            created_at=iso(order.created_at),
            updated_at=iso(order.updated_at),
            **money("amount", order.amount),
            **money("traded", order.traded),
        )


class OrderPage(WireView):
    orders: list[OrderView]
    next_cursor: str | None = None


class TransactionView(WireView):
    """The buyer pays amount + buyerFee, the seller gets amount - sellerFee, `fees` are both."""

    transaction_id: str
    order_id: str
    user_id: str
    seller_id: str
    status: TransactionStatus
    amount: float
    amount_micros: int
    fees: float
    fees_micros: int
    buyer_fee: float
    buyer_fee_micros: int
    seller_fee: float
    seller_fee_micros: int
    buyer_pays: float
    buyer_pays_micros: int
    seller_gets: float
    seller_gets_micros: int
    currency: Literal["USD"] = "USD"
    fee_version: int
    source: Source
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, transaction: Transaction) -> "TransactionView":
        return cls(
            transaction_id=transaction.transaction_id,
            order_id=transaction.order_id,
            user_id=transaction.user_id,
            seller_id=transaction.seller_id,
            status=transaction.status,
            fee_version=transaction.fee_version,
            source=transaction.source,
            created_at=iso(transaction.created_at),
            updated_at=iso(transaction.updated_at),
            **money("amount", transaction.amount),
            **money("fees", transaction.fees.total),
            **money("buyer_fee", transaction.fees.buyer),
            **money("seller_fee", transaction.fees.seller),
            **money("buyer_pays", transaction.buyer_pays),
            **money("seller_gets", transaction.seller_gets),
        )


class TransactionPage(WireView):
    transactions: list[TransactionView]
    next_cursor: str | None = None


class TierView(WireView):
    """Volumes in USD over 30 days, [minVolume, maxVolume); no maximum is no end. Fees in per cent."""

    id: str
    name: str
    min_volume: float
    max_volume: float | None
    buyer_fee: float
    seller_fee: float


class FeesView(WireView):
    """Fees in per cent of the amount; those beside the tiers hold outside all of them."""

    buyer_fee: float
    seller_fee: float
    tiers: list[TierView]
    version: int = Field(description="0 while nobody has changed anything")
    effective_from: str

    @classmethod
    def of(cls, config: FeeConfig) -> "FeesView":
        return cls(**_told(config))


class FeeVersionView(FeesView):
    created_at: str
    created_by: str

    @classmethod
    def of(cls, config: FeeConfig) -> "FeeVersionView":
        return cls(**_told(config), created_at=iso(config.created_at), created_by=config.created_by)


class FeeVersionPage(WireView):
    """By when they begin, the last one first: scheduled ones stand before the one in force."""

    versions: list[FeeVersionView]
    next_cursor: str | None = None


def _told(config: FeeConfig) -> dict[str, object]:
    tiers = [
        TierView(
            id=tier.tier_id,
            name=tier.name,
            min_volume=usd(tier.minimum),
            max_volume=None if tier.maximum is None else usd(tier.maximum),
            buyer_fee=float(tier.buyer_pct),
            seller_fee=float(tier.seller_pct),
        )
        for tier in config.tiers
    ]
    return {
        "buyer_fee": float(config.buyer_pct),
        "seller_fee": float(config.seller_pct),
        "tiers": tiers,
        "version": config.version,
        "effective_from": iso(config.effective_from),
    }
