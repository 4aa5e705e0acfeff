"""What the processing tier may tell of orders and transactions, and administrators of fees. Fields are the seed's;
those with a default are additions."""

from typing import Annotated, Literal

from pydantic import Field

from gpubroker.kernel.money import micros
from gpubroker.management.fees import Tier
from gpubroker.management.order import OrderUpdate
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.transaction import TransactionUpdate
from gpubroker.management.wire import Amount, Id, Name, Percentage, WireRequest

Currency = Annotated[Literal["USD"], Field(description="amounts are USD; no other currency is taken")]


class OrderUpdateRequest(WireRequest):
    order_id: Id
    user_id: Id
    status: OrderStatus
    amount: Amount
    seller_id: Id | None = Field(None, description="who sells, as an account of the ledger; seller:platform at first")
    currency: Currency = "USD"

    def told(self) -> OrderUpdate:
        return OrderUpdate(self.order_id, self.user_id, self.status, micros(self.amount), self.seller_id)


class TransactionUpdateRequest(WireRequest):
    """`fees` are the buyer's and the seller's together; each may be rounded to the cent."""

    transaction_id: Id
    order_id: Id
    user_id: Id
    status: TransactionStatus
    amount: Amount
    fees: Amount
    currency: Currency = "USD"

    def told(self) -> TransactionUpdate:
        return TransactionUpdate(
            transaction_id=self.transaction_id,
            order_id=self.order_id,
            user_id=self.user_id,
            status=self.status,
            amount=micros(self.amount),
            fees=micros(self.fees),
        )


class TierRequest(WireRequest):
    id: Id
    name: Name
    min_volume: Amount
    max_volume: Amount | None = Field(description="null for the last tier, where it has no end")
    buyer_fee: Percentage
    seller_fee: Percentage

    def tier(self) -> Tier:
        return Tier(
            tier_id=self.id,
            name=self.name,
            minimum=micros(self.min_volume),
            maximum=None if self.max_volume is None else micros(self.max_volume),
            buyer_pct=self.buyer_fee,
            seller_pct=self.seller_fee,
        )


class FeeChangeRequest(WireRequest):
    """A whole configuration. Tiers begin at 0 and follow each other without gap or overlap; the minimum belongs to a
    tier, the maximum to the next one."""

    buyer_fee: Percentage
    seller_fee: Percentage
    tiers: Annotated[list[TierRequest], Field(max_length=50)]
    effective_from: str | None = Field(
        None, max_length=40, description="RFC 3339; now where it is missing, never in the past", examples=[None]
    )
