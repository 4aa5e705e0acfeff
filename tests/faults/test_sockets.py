"""Each call to AWS of a fact's way to its listeners fails once, before it took effect or after; the queue brings the
fact again. Everybody who listens hears it, and nobody hears it under two ids or two sequences.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from gpubroker.delivery.public_log import PublicLog
from gpubroker.delivery.sockets.connections import Connection, Connections
from gpubroker.delivery.sockets.fan_out import FanOut
from gpubroker.delivery.sockets.posting import Poster
from gpubroker.kernel.caller import Caller, Plan, Role
from tests.unit.delivery.facts import prices_updated, rental_event, update
from tests.unit.delivery.test_posting import Gateway, refusal

ADA = Caller(Role.USER, subject="usr_ada", tenant="usr_ada", plan=Plan.PRO)
TRIES = 5


class Rentals:
    def look(self, tenant: str, rental_id: str) -> dict[str, Any]:
        return {"status": "ready", "health": "healthy", "utilization": None, "members": []}


class Faulty:
    """Fails call number `number` of all: `before` it takes effect, or `after`."""

    def __init__(self, number: int, mode: str) -> None:
        self.number, self.mode, self.made = number, mode, 0

    def calling(self, call: Callable[[], Any]) -> Any:
        number, self.made = self.made, self.made + 1
        if number != self.number:
            return call()
        if self.mode == "after":
            call()
        raise EndpointConnectionError(endpoint_url="https://aws")


class Posts(Gateway):
    """API Gateway, some of whose connections are gone."""

    def __init__(self, faulty: Faulty, *names: str) -> None:
        super().__init__(*names)
        self._faulty = faulty

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        plain = super().post_to_connection
        self._faulty.calling(lambda: plain(ConnectionId=ConnectionId, Data=Data))


class Queue:
    def __init__(self, faulty: Faulty) -> None:
        self.waiting: list[str] = []
        self._faulty = faulty

    def send(self, body: str, delay_s: int) -> None:
        self._faulty.calling(lambda: self.waiting.append(body))


@contextmanager
def failing(faulty: Faulty) -> Iterator[None]:
    """Faults in the calls to the table; botocore's own second tries are none of ours, so they are one call."""
    real = BaseClient._make_api_call

    def made(self: Any, operation: str, given: dict[str, Any]) -> Any:
        return faulty.calling(lambda: real(self, operation, given))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", made)
        yield


@pytest.fixture
def table(account: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Makes a table of its own for each play."""
    number = iter(range(1000))

    def make() -> None:
        name = f"delivery-{abs(hash(request.node.nodeid)) % 10**8}-{next(number)}"
        boto3.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        monkeypatch.setenv("DELIVERY_TABLE", name)

    return make


def play(faulty: Faulty, event: dict[str, Any]) -> tuple[Posts, int]:
    """Three listeners and one that is gone; the fact, as often as the queue brings it; then its pieces."""
    connections = Connections(sleep=lambda seconds: None)
    for name in ("a", "b", "c", "gone"):
        listens = frozenset({"price_updates", "gpu:H100", "rental:ren_1"})
        connections.add(Connection(name, ADA, "usr_ada", "/ws/providers/", listens))
    gateway, queue = Posts(faulty, "a", "b", "c"), Queue(faulty)
    log = PublicLog(sleep=lambda seconds: None)
    fan_out = FanOut(log=log, connections=connections, rentals=Rentals(), poster=Poster(gateway), queue=queue)
    with failing(faulty):
        delivered = _until_done(lambda: fan_out.fact(event))
        while queue.waiting:
            body = queue.waiting.pop(0)
            _until_done(lambda text=body: fan_out.piece(text))  # type: ignore[misc]
    assert delivered <= 2
    # One more message finds the dead, should the fault have spared it.
    fan_out.fact(event | {"detail": event["detail"] | {"event_id": "evt_later"}})
    assert connections.get("gone") is None
    return gateway, faulty.made


def _until_done(action: Callable[[], None]) -> int:
    for number in range(1, TRIES + 1):
        try:
            action()
            return number
        except Exception:
            if number == TRIES:
                raise
    raise AssertionError("unreachable")


@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize(
    "event", [prices_updated(update("x"), update("y")), rental_event()], ids=["two prices", "a rental"]
)
def test_whichever_call_fails_everybody_hears_it_under_one_id(table, event, mode):
    table()
    _, calls = play(Faulty(-1, mode), event)
    assert calls >= 5
    for number in range(calls):
        table()
        gateway, _ = play(Faulty(number, mode), event)
        for name in ("a", "b", "c"):
            heard = [json.loads(frame) for frame in gateway.got[name]]
            first = [
                told for told in heard if not told["event_id"].startswith("evt_later") and told.get("sequence", 1) <= 2
            ]
            expected = len(event["detail"].get("updates", [1]))
            told = {(one.get("offer_id"), one["event_id"], one.get("sequence")) for one in first}
            assert len(told) == expected, f"call {number} failed {mode}: {name} heard {sorted(map(str, told))}"


def test_a_gateway_that_refuses_everybody_for_a_while_costs_nobody_anything(table):
    table()
    faulty = Faulty(-1, "before")
    connections = Connections(sleep=lambda seconds: None)
    names = [f"c{number}" for number in range(20)]
    for name in names:
        connections.add(Connection(name, ADA, "usr_ada", "/ws/providers/", frozenset({"price_updates"})))
    gateway, queue = Posts(faulty, *names), Queue(faulty)
    gateway.trouble = {name: [refusal("LimitExceededException", 429)] * 3 for name in names}
    log = PublicLog(sleep=lambda seconds: None)
    fan_out = FanOut(log=log, connections=connections, rentals=Rentals(), poster=Poster(gateway), queue=queue)
    fan_out.fact(prices_updated(update("x"), update("y")))
    while queue.waiting:
        fan_out.piece(queue.waiting.pop(0))
    for name in names:
        assert [json.loads(frame)["offer_id"] for frame in gateway.got[name]] == ["x", "y"]
