"""Calls to instances, requests and tasks end with their invocation, and are not begun with too little of it left."""

from types import SimpleNamespace

import httpx
import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge import http
from gpubroker.kernel import deadline
from gpubroker.messaging.tasks import task
from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import DEADLINE, Exchange


@pytest.fixture
def exchange():
    """An exchange that notes how long each request may take."""
    asked = []

    def answer(request):
        asked.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    yield Exchange("vastai", "https://provider", {}, client), asked
    client.close()


@pytest.fixture
def left():
    """Begins an invocation of which so many seconds are left."""
    tokens = []
    yield lambda seconds: tokens.append(deadline.begin(seconds))
    for token in reversed(tokens):
        deadline.end(token)


def test_a_call_may_take_its_own_time_or_what_is_left(exchange, left):
    one, asked = exchange
    one.send("POST", "/create")
    left(8.0)
    one.send("POST", "/create")
    assert asked[0] == DEADLINE
    assert 7 < asked[1] <= 8


@pytest.mark.parametrize(("method", "seconds", "begun"), [("GET", 2, True), ("GET", 0.5, False), ("POST", 2, False)])
def test_a_call_is_not_begun_with_too_little_left(exchange, left, method, seconds, begun):
    one, asked = exchange
    left(seconds)
    if begun:
        assert one.send(method, "/").ok
    else:
        with pytest.raises(errors.ProviderUnavailable, match="not asked"):
            one.send(method, "/")
    assert len(asked) == begun


def remaining(ms):
    return SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: ms)


def test_a_task_knows_what_lambda_leaves_it_less_a_margin():
    seen = []
    handler = task(lambda event: seen.append(deadline.left()))
    handler({}, remaining(18_000))
    handler({}, None)
    assert 16.5 < seen[0] <= 17
    assert seen[1] == float("inf"), "and the next invocation begins anew"


def test_a_request_gives_what_it_calls_five_seconds():
    # R1.5 (184)
    seen, router = [], Router()

    @router.get("/x")
    def look() -> http.Answer:
        seen.append(deadline.left())
        return http.Answer({})

    handler = http.serve(router, limited=False)
    event = {
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/x", "sourceIp": "192.0.2.1"}, "requestId": "r"},
        "rawPath": "/x",
        "rawQueryString": "",
    }
    assert handler(event, remaining(10_000))["statusCode"] == 200
    handler(event, remaining(3_000))
    assert 4.5 < seen[0] <= 5
    assert 1.5 < seen[1] <= 2
    assert deadline.left() == float("inf")
