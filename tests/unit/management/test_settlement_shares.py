"""Who gets what, exact to the micro-dollar. # I9, I10"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.management.settlement.shares import Shares, next_return, returned

USD = 1_000_000


@st.composite
def shared(draw: st.DrawFn) -> Shares:
    amount = draw(st.integers(1, 10**15))
    return Shares(amount, draw(st.integers(0, amount)), draw(st.integers(0, amount)))


@given(shared())
def test_what_a_buyer_pays_is_what_the_seller_receives_and_both_fees(shares: Shares) -> None:
    assert shares.buyer_pays == shares.seller_receives + shares.house_keeps
    assert shares.seller_receives >= 0


@given(shared(), st.lists(st.integers(1, 10**15), max_size=8))
def test_any_sequence_of_refunds_is_exact_and_ends_where_one_whole_refund_does(
    shares: Shares, wanted: list[int]
) -> None:
    refunded = seller = buyer_fee = seller_fee = 0
    for one in wanted:
        part = next_return(shares, refunded, min(one, shares.buyer_pays - refunded))
        assert part.refund == min(one, shares.buyer_pays - refunded)
        assert min(part.buyer_fee, part.seller_fee, part.from_seller) >= 0
        refunded += part.refund
        seller, buyer_fee, seller_fee = (
            seller + part.from_seller,
            buyer_fee + part.buyer_fee,
            seller_fee + part.seller_fee,
        )
        assert seller <= shares.seller_receives
        # what is left of the trade is as exact as the trade was
        left = shares.buyer_pays - refunded
        assert left == (shares.seller_receives - seller) + (shares.house_keeps - buyer_fee - seller_fee)
    last = next_return(shares, refunded, shares.buyer_pays - refunded)
    assert buyer_fee + last.buyer_fee == shares.buyer_fee
    assert seller_fee + last.seller_fee == shares.seller_fee
    assert seller + last.from_seller == shares.seller_receives


@given(shared(), st.data())
def test_a_fee_is_never_given_back_beyond_its_proportion(shares: Shares, data: st.DataObject) -> None:
    refund = data.draw(st.integers(0, shares.buyer_pays))
    part = returned(shares, refund)
    assert part.buyer_fee * shares.buyer_pays <= shares.buyer_fee * refund
    assert (shares.buyer_fee * refund) - part.buyer_fee * shares.buyer_pays < shares.buyer_pays  # cut by under a micro


def test_a_fifth_of_a_thousand_dollars() -> None:
    """The acceptance case of the fees ($1,000: $5 of each side), a fifth of it given back."""
    shares = Shares(1000 * USD, 5 * USD, 5 * USD)
    part = next_return(shares, 0, 201 * USD)
    assert (part.buyer_fee, part.seller_fee, part.from_seller, part.amount) == (USD, USD, 199 * USD, 200 * USD)


@pytest.mark.parametrize(("amount", "buyer_fee", "seller_fee"), [(0, 0, 0), (-1, 0, 0), (10, 11, 0), (10, 0, -1)])
def test_what_is_no_trade_is_refused(amount: int, buyer_fee: int, seller_fee: int) -> None:
    with pytest.raises(ValueError):
        Shares(amount, buyer_fee, seller_fee)


@pytest.mark.parametrize("refund", [-1, 1_005_000_001])
def test_a_refund_is_of_what_was_paid(refund: int) -> None:
    with pytest.raises(ValueError):
        returned(Shares(1000 * USD, 5 * USD, 5 * USD), refund)
