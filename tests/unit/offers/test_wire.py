"""Numbers, rows, bodies and headers as providers send them."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.offers import errors, wire
from gpubroker.offers.instances.exchange import Exchange
from gpubroker.offers.offer import Availability, Offer, as_moment, offer_id_of

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "gpus", "whole", "each", "text"),
    [
        (0.3254, 1, 325_400, 325_400, "0.3254"),
        ("2.29", 1, 2_290_000, 2_290_000, "2.29"),
        (Decimal("12.480000"), 8, 12_480_000, 1_560_000, "12.48"),
        (10, 3, 10_000_000, 3_333_333, "10"),
        (0.0000015, 1, 2, 2, "0.0000015"),  # half to even
        (0.0000025, 1, 2, 2, "0.0000025"),
        (1e-6, 1, 1, 1, "0.000001"),
        (7999.99, 8, 7_999_990_000, 999_998_750, "7999.99"),
    ],
)
def test_prices_are_exact(value: Any, gpus: int, whole: int, each: int, text: str) -> None:
    assert wire.price(value, gpus=gpus) == (whole, each, text)


@pytest.mark.parametrize(
    "value",
    [None, 0, -1, -0.0, float("nan"), float("inf"), float("-inf"), "NaN", "Infinity", "cheap", "", 1e12, 1001,
     True, 1e-9],
)  # fmt: skip
def test_what_is_no_price_is_refused(value: Any) -> None:
    with pytest.raises(wire.Refused, match="price"):
        wire.price(value, gpus=1)


@given(st.decimals(min_value="0.000001", max_value="999", places=6))
def test_a_json_number_loses_nothing_of_six_places(amount: Decimal) -> None:
    assert wire.price(float(amount), gpus=1)[0] == int(amount * 1_000_000)


@pytest.mark.parametrize("number", [None, 0, -1, 65])
def test_a_machine_has_one_to_sixty_four_gpus(number: int | None) -> None:
    with pytest.raises(wire.Refused, match="gpu_count"):
        wire.gpu_number(number)


def test_sizes_are_shown_tidily_and_nonsense_is_absent() -> None:
    assert [wire.tidy(value) for value in (16.0, 62.873, None, -1.0, float("nan"), float("inf"), 0)] == [
        16, 62.87, None, None, None, None, 0,
    ]  # fmt: skip


class Thing(wire.Row):
    id: wire.Id
    price: Decimal


def offer(identity: str, cost: int = 1) -> Offer:
    return Offer(
        offer_id=offer_id_of("x", identity), provider="x", provider_offer_id=identity, source="s", gpu_model="H100",
        gpu_count=1, price_micros_per_hour=cost, price_micros_per_gpu_hour=cost, currency="USD", native_price="1",
        fetched_at=NOW,
    )  # fmt: skip


def test_a_bad_row_is_counted_by_what_is_wrong_and_costs_no_other() -> None:
    harvest = wire.Harvest("x", NOW)
    rows = [
        {"id": 1, "price": 1},
        {"id": True, "price": 1},
        {"id": 2},
        {"id": 3, "price": float("nan")},
        None,
        [],
        {"id": "4", "price": "2", "new": {}},
    ]
    harvest.each(Thing, rows, lambda thing: [offer(thing.id)])
    found = harvest.offers()
    assert [one.provider_offer_id for one in found] == ["1", "4"]
    assert found.skipped == {"id": 1, "price": 2, "row": 2}


def test_a_row_that_is_refused_half_way_keeps_what_it_gave() -> None:
    def offers_of(thing: Thing) -> Any:
        yield offer(thing.id)
        raise wire.Refused("second")

    harvest = wire.Harvest("x", NOW)
    harvest.each(Thing, [{"id": 1, "price": 1}], offers_of)
    assert (len(harvest.offers()), harvest.offers().skipped) == (1, {"second": 1})


@pytest.mark.parametrize("rows", [None, {}, "text", 7])
def test_rows_that_are_no_list_are_an_unknown_answer(rows: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        wire.Harvest("x", NOW).each(Thing, rows, lambda thing: [])


def test_nan_in_a_body_costs_its_row_and_not_the_answer() -> None:
    assert wire.decoded("x", b'{"a": 1}') == {"a": 1}
    assert str(wire.decoded("x", b"[NaN, Infinity, 1]")[:2]) == "[nan, inf]"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{'a': 1}", b'{"a": ', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_an_unknown_answer(body: bytes) -> None:
    with pytest.raises(errors.UnknownAnswer):
        wire.decoded("x", body)


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("7", 7.0),
        ("0.5", 1.0),
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), pytest.approx(3600, abs=5)),
        ("Sun, 24 May 2020 09:00:00 GMT", 0.0),
        ("soon", None),
        ("\u00b2", None),
        ("nan", None),
        ("-1", None),
        ("1e300", None),
        ("Sun, 24 May 99999999999999999999 09:00:00 GMT", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_time_to_come_back_is_seconds_or_a_date_and_nonsense_is_none(
    status: int, told: str | None, wait: float | None
) -> None:
    refused = wire.refusal("x", status, {} if told is None else {"retry-after": told})
    assert isinstance(refused, errors.RateLimited | errors.ProviderUnavailable)
    assert refused.retry_after == wait


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (401, "BadCredentials"), (403, "BadCredentials"), (429, "RateLimited"),
     (408, "ProviderUnavailable"), (500, "ProviderUnavailable"), (503, "ProviderUnavailable"), (301, "UnknownAnswer"),
     (404, "UnknownAnswer"), (418, "UnknownAnswer")],
)  # fmt: skip
def test_a_status_is_one_of_the_known_errors(status: int, error: str | None) -> None:
    got = wire.refusal("x", status, {})
    assert (type(got).__name__ if got else None) == error
    assert got is None or len(str(got)) < 120


def ask(answer: Any, **more: Any) -> Any:
    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await wire.ask(client, "x", "GET", "https://x.test/", **more)

    return asyncio.run(run())


def test_a_body_over_the_bound_is_refused() -> None:
    with pytest.raises(errors.UnknownAnswer, match="100 bytes"):
        ask(lambda request: httpx.Response(200, content=b"[" + b" " * 200 + b"]"), max_body=100)


def test_a_redirect_is_not_followed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "x.test"
        return httpx.Response(302, headers={"location": "https://elsewhere.test/"})

    with pytest.raises(errors.UnknownAnswer, match="302"):
        ask(answer)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
def test_no_answer_is_unavailable(error: type[httpx.TransportError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("secret-key in a message", request=request)

    with pytest.raises(errors.ProviderUnavailable) as raised:
        ask(answer)
    assert "secret-key" not in str(raised.value)


def test_a_connection_that_the_other_side_had_closed_is_no_failure() -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        return httpx.Response(200, json=[1])

    assert ask(answer) == [1]


@pytest.mark.parametrize(("method", "sent"), [("GET", 2), ("DELETE", 2), ("POST", 1), ("PUT", 1)])
def test_over_a_stale_connection_nothing_is_created_twice(method: str, sent: int) -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        raise httpx.ReadError("reset", request=request)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client, pytest.raises(errors.ProviderUnavailable):
        Exchange("x", "https://x.test", {"authorization": "secret"}, client).send(method, "/")
    assert len(calls) == sent


def test_errors_can_be_copied_and_keep_what_they_know() -> None:
    error = copy.copy(errors.RateLimited("x", "429", retry_after=3.0))
    assert (type(error), str(error), error.retry_after) == (errors.RateLimited, "x: 429", 3.0)


def test_the_first_of_several_calls_that_fails_is_raised_as_itself() -> None:
    cancelled = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def failing() -> None:
        raise errors.RateLimited("x", "429")

    with pytest.raises(errors.RateLimited):
        asyncio.run(wire.together(slow(), failing(), slow()))
    assert cancelled == [True, True]


def test_the_time_of_an_answer_may_be_written_in_three_ways() -> None:
    assert as_moment(NOW) is NOW
    assert as_moment(NOW.timestamp()) == as_moment("2026-05-24T10:00:00Z") == as_moment(NOW.replace(tzinfo=None)) == NOW


def test_an_offer_is_stored_whole() -> None:
    whole = offer("1")
    assert Offer.from_record(whole.to_record()) == whole
    assert "region" not in whole.to_record()
    assert whole.availability is Availability.UNKNOWN
    with pytest.raises((KeyError, TypeError, ValueError)):
        Offer.from_record({"offer_id": "x"})
