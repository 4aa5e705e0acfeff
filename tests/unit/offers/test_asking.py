"""One exchange over HTTP: bodies, statuses and headers as providers send them."""

import asyncio
import copy
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from gpubroker.kernel.time import utc_now
from gpubroker.offers import asking, errors
from gpubroker.offers.instances.exchange import Exchange


def test_nan_in_a_body_costs_its_row_and_not_the_answer() -> None:
    assert asking.decoded("x", b'{"a": 1}') == {"a": 1}
    assert str(asking.decoded("x", b"[NaN, Infinity, 1]")[:2]) == "[nan, inf]"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{'a': 1}", b'{"a": ', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_an_unknown_answer(body: bytes) -> None:
    with pytest.raises(errors.UnknownAnswer):
        asking.decoded("x", body)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_tells_when_to_come_back(status: int) -> None:
    def wait(told: str) -> float | None:
        refused = asking.refusal("x", status, {"retry-after": told})
        assert isinstance(refused, errors.RateLimited | errors.ProviderUnavailable)
        return refused.retry_after

    in_an_hour = wait(format_datetime(utc_now() + timedelta(hours=1), usegmt=True))
    assert in_an_hour is not None
    assert 3590 < in_an_hour <= 3600
    assert (wait("7"), wait("soon")) == (7.0, None)


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (401, "BadCredentials"), (403, "BadCredentials"), (429, "RateLimited"),
     (408, "ProviderUnavailable"), (500, "ProviderUnavailable"), (503, "ProviderUnavailable"), (301, "UnknownAnswer"),
     (404, "UnknownAnswer"), (418, "UnknownAnswer")],
)  # fmt: skip
def test_a_status_is_one_of_the_known_errors(status: int, error: str | None) -> None:
    got = asking.refusal("x", status, {})
    assert (type(got).__name__ if got else None) == error
    assert got is None or len(str(got)) < 120


def ask(answer: Any, **more: Any) -> Any:
    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await asking.ask(client, "x", "GET", "https://x.test/", **more)

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
        asyncio.run(asking.together(slow(), failing(), slow()))
    assert cancelled == [True, True]
