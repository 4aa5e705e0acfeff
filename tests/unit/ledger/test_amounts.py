"""Amounts as they are written: exact to the micro-dollar, or refused."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.edge.inputs import parse_body
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import micros, usd
from gpubroker.kernel.schemas import RequestModel
from gpubroker.ledger.amounts import Amount, Limit, told


class Asked(RequestModel):
    amount: Amount


class Bounded(RequestModel):
    limit: Limit


Asked.model_rebuild()
Bounded.model_rebuild()


def read(text: str) -> int:
    asked = parse_body(b'{"amount": %s}' % text.encode(), Asked)
    assert isinstance(asked, Asked)
    return micros(asked.amount)


@pytest.mark.parametrize(
    ("text", "exactly"),
    [
        ("1", 1_000_000),
        ("0.000001", 1),
        ("1e-6", 1),
        ("0.1", 100_000),
        ("1.50", 1_500_000),
        ("4294967295.123457", 4_294_967_295_123_457),
        ("1000000000000", 10**18),
        ("1e12", 10**18),
    ],
)
def test_what_is_written_is_what_moves(text: str, exactly: int) -> None:
    assert read(text) == exactly


@given(st.integers(min_value=1, max_value=2**32 * 10**6))
def test_every_amount_that_is_shown_can_be_written_again(amount: int) -> None:
    assert read(json.dumps(usd(amount))) == amount


@pytest.mark.parametrize(
    "text", ["0", "-0.0", "-1", "0.0000001", "1e-7", "1000000000000.1", "1e13", "1e308", "4294967296.5", '"1"']
)
def test_what_is_no_amount_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.fields[0].field == "amount"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_read_exactly_or_refused(value: float) -> None:
    try:
        amount = read(json.dumps(value))
    except Invalid:
        return
    assert Decimal(amount) == Decimal(str(value)) * 1_000_000
    assert read(json.dumps(usd(amount))) == amount


def test_a_limit_may_be_nothing() -> None:
    bounded = parse_body(b'{"limit": 0}', Bounded)
    assert isinstance(bounded, Bounded)
    assert bounded.limit == 0
    with pytest.raises(Invalid):
        parse_body(b'{"limit": -0.000001}', Bounded)


def test_an_amount_is_told_twice() -> None:
    assert told("fee", 1_250_000) == {"fee": 1.25, "fee_micros": 1_250_000}
