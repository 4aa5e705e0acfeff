"""Who gets what of a trade, and who gives what back: pure, in integer micro-dollars, exact always.

    buyer_pays == seller_receives + house_keeps

holds for a whole trade, for every reversal of a part of it, and for the sum of all its reversals.
"""

from dataclasses import dataclass

from gpubroker.kernel.money import MicroUsd


@dataclass(frozen=True, slots=True)
class Shares:
    """A trade's amount and its two fees, as they were agreed when its order was made.

    amount      the trade before any fee
    buyer_fee   on top of it, paid by the buyer
    seller_fee  out of it, kept from the seller
    Raises ValueError for what is no trade: nothing to pay, a negative fee, a fee above the amount.
    """

    amount: MicroUsd
    buyer_fee: MicroUsd
    seller_fee: MicroUsd

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("an amount is over 0")
        if not (0 <= self.buyer_fee <= self.amount and 0 <= self.seller_fee <= self.amount):
            raise ValueError("a fee is from 0 to the whole amount")

    @property
    def buyer_pays(self) -> MicroUsd:
        return self.amount + self.buyer_fee

    @property
    def seller_receives(self) -> MicroUsd:
        return self.amount - self.seller_fee

    @property
    def house_keeps(self) -> MicroUsd:
        return self.buyer_fee + self.seller_fee


@dataclass(frozen=True, slots=True)
class Returned:
    """What a reversal moves: the buyer gets `refund`; the house gives both fee parts, the seller the rest."""

    buyer_fee: MicroUsd = 0
    seller_fee: MicroUsd = 0
    from_seller: MicroUsd = 0

    @property
    def refund(self) -> MicroUsd:
        return self.buyer_fee + self.seller_fee + self.from_seller

    @property
    def amount(self) -> MicroUsd:
        """The part of the trade's amount (before fees) that this takes back."""
        return self.from_seller + self.seller_fee


def returned(shares: Shares, refunded: MicroUsd) -> Returned:
    """How `refunded` of what the buyer paid is borne in all: by both fees in proportion, the rest by the seller.

    The rule: of each fee the house gives back the proportion of what is refunded, cut to the micro-dollar (so never
    more than the proportion), and all of it when all is refunded. Because what is cut is cut from the sum of all
    refunds so far, any sequence of part refunds ends where one whole refund does.
    """
    if not 0 <= refunded <= shares.buyer_pays:
        raise ValueError("a refund is from 0 to what the buyer paid")
    buyer_fee = shares.buyer_fee * refunded // shares.buyer_pays
    amount = refunded - buyer_fee
    seller_fee = shares.seller_fee * amount // shares.amount
    return Returned(buyer_fee, seller_fee, amount - seller_fee)


def next_return(shares: Shares, before: MicroUsd, more: MicroUsd) -> Returned:
    """What a refund of `more` moves after `before` was refunded. Raises ValueError past what the buyer paid."""
    was, will_be = returned(shares, before), returned(shares, before + more)
    return Returned(
        will_be.buyer_fee - was.buyer_fee,
        will_be.seller_fee - was.seller_fee,
        will_be.from_seller - was.from_seller,
    )
