"""`serve`: the order of refusals, problem documents, headers, and the one log line (DESIGN §3, §5; R6.5 (214))."""

import io
import json
from types import SimpleNamespace
from typing import Annotated

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from gpubroker.composition import identity as composition
from gpubroker.edge import http, log, rate_limits
from gpubroker.edge.caller import Caller, admin, plan, scoped, service, signed_in
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import Idempotency, idempotency_key, required_idempotency_key
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Conflict, Unauthenticated
from gpubroker.kernel.schemas import RequestModel

CONTEXT = SimpleNamespace(aws_request_id="req-1")
CALLERS = {
    "Bearer anna": Caller(Role.USER, subject="anna", tenant="anna", scopes=frozenset({"rentals:read"})),
    "Bearer root": Caller(Role.ADMIN, subject="root", tenant="root", plan=Plan.ENTERPRISE),
    "Bearer kpi": Caller(Role.SERVICE, subject="kpi", tenant="kpi", plan=Plan.ENTERPRISE),
}


class _Verifier:
    def caller_of(self, headers, address, now):
        try:
            return CALLERS[headers["authorization"]]
        except KeyError:
            raise Unauthenticated("Not ours.") from None


class _Limiter:
    allowed = True

    def __init__(self):
        self.counted = []

    def check(self, caller, now=None):
        self.counted.append(caller)
        return rate_limits.Decision(
            allowed=self.allowed, limit=10, remaining=9, reset_after_s=1.0, retry_after_s=0.0 if self.allowed else 0.4
        )


@pytest.fixture
def limiter(monkeypatch):
    limiter = _Limiter()
    monkeypatch.setattr(rate_limits, "limiter", lambda: limiter)
    monkeypatch.setattr(composition, "verifier", lambda: _Verifier())
    return limiter


class Order(RequestModel):
    count: int


def route(dependency=signed_in, **options):
    router = Router()

    @router.post("/api/v2/things/<thing_id>", status_code=202)
    def make_thing(
        thing_id: Annotated[str, Path()],
        caller: Annotated[Caller, Depends(dependency)],
        order: Annotated[Order, Body()],
        note: Annotated[str | None, Query(max_length=5)] = None,
    ) -> dict:
        if order.count == 409:
            raise Conflict("Not now.", colour="red")
        if order.count == 500:
            raise ZeroDivisionError("a secret: 42")
        return {"thing": thing_id, "for": caller.subject, "count": order.count, "note": note}

    return serve(router, **options)


def ask(handler, body='{"count": 1}', query="", **headers):
    event = {
        "rawPath": "/api/v2/things/t1",
        "rawQueryString": query,
        "pathParameters": {"thing_id": "t1"},
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"http": {"method": "POST", "sourceIp": "198.51.100.7"}, "requestId": "r"},
        "body": body,
        "isBase64Encoded": False,
    }
    answer = handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"] or "null"), answer["headers"]


def test_a_good_request_is_answered_by_the_function(limiter):
    status, body, headers = ask(route(), query="note=hi", authorization="Bearer anna")
    assert (status, body) == (202, {"thing": "t1", "for": "anna", "count": 1, "note": "hi"})
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"] == "req-1"
    assert "ratelimit" in {name.lower() for name in headers}


def test_credentials_come_before_the_limit_and_the_limit_before_the_input(limiter):
    assert ask(route(), body="{")[0] == 401
    assert limiter.counted == []
    limiter.allowed = False
    status, body, headers = ask(route(), body="{", authorization="Bearer anna")
    assert status == 429
    assert body["type"].endswith("#rate-limited")
    assert headers["retry-after"] == "1"
    limiter.allowed = True
    assert ask(route(), body="{", authorization="Bearer anna")[0] == 400


def test_guessing_credentials_is_counted_against_the_address(limiter):
    assert ask(route(), authorization="Bearer forged")[0] == 401
    assert [(caller.role, caller.address) for caller in limiter.counted] == [(Role.ANONYMOUS, "198.51.100.7")]


@pytest.mark.parametrize(
    ("dependency", "credential", "status"),
    [
        (admin, "anna", 403),
        (admin, "root", 202),
        (service, "root", 403),
        (service, "kpi", 202),
        (plan("pro"), "anna", 403),
        (plan("pro"), "root", 202),
        (scoped("rentals:read"), "anna", 202),
        (scoped("rentals:write"), "anna", 403),
    ],
)
def test_a_rule_lets_through_whom_it_names(limiter, dependency, credential, status):
    assert ask(route(dependency), authorization=f"Bearer {credential}")[0] == status


def test_a_problem_is_a_document_that_names_the_field(limiter):
    status, body, headers = ask(route(), body='{"count": 1, "size": 2}', authorization="Bearer anna")
    assert (status, headers["content-type"]) == (422, "application/problem+json")
    assert body["errors"] == [{"field": "size", "message": "is not a known field"}]
    assert body["instance"] == "req-1"
    status, body, _ = ask(route(), query="note=too-long", authorization="Bearer anna")
    assert (status, body["errors"][0]["field"]) == (422, "note")


def test_a_problem_of_the_domain_keeps_its_code_and_what_it_adds(limiter):
    status, body, _ = ask(route(), body='{"count": 409}', authorization="Bearer anna")
    assert (status, body["colour"], body["type"]) == (409, "red", "/docs/problems#conflict")


def test_a_fault_of_ours_tells_its_id_and_not_its_reason(limiter):
    status, body, _ = ask(route(), body='{"count": 500}', authorization="Bearer anna")
    assert status == 500
    assert "42" not in json.dumps(body)
    assert "req-1" in body["detail"]


def test_each_request_writes_one_line_with_its_trace_and_no_secret(limiter, monkeypatch):
    written = io.StringIO()
    fresh = Logger(service="one-line", stream=written, logger_formatter=log.logger().registered_formatter)
    monkeypatch.setattr(http, "logger", lambda: fresh)
    sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    ask(route(), query="note=n", authorization="Bearer anna", traceparent=sent, x_correlation_id="order-17")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len(lines) == 1
    line = lines[0]
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (line["correlation_id"], line["route"], line["status"]) == ("order-17", "/api/v2/things/{thing_id}", 202)
    assert (line["caller"], line["subject"]) == ("user", "anna")
    assert "Bearer" not in json.dumps(lines)


def test_a_route_without_a_limit_counts_nobody(limiter):
    assert ask(route(limited=False), authorization="Bearer anna")[0] == 202
    assert limiter.counted == []


def test_the_idempotency_key_covers_tenant_path_and_body(limiter):
    router = Router()

    @router.post("/api/v2/things/<thing_id>")
    def make(
        thing_id: Annotated[str, Path()],
        caller: Annotated[Caller, Depends(signed_in)],
        idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
    ) -> dict:
        return {"key": idempotency and [idempotency.key, idempotency.tenant, idempotency.route]}

    handler = serve(router)
    answer = ask(handler, authorization="Bearer anna", idempotency_key='"k-1"')[1]
    assert answer == {"key": ["k-1", "anna", "POST /api/v2/things/t1"]}
    assert ask(handler, authorization="Bearer anna")[1] == {"key": None}
    assert ask(handler, authorization="Bearer anna", idempotency_key="k\x00")[0] == 400


def test_where_money_moves_the_key_is_required(limiter):
    router = Router()

    @router.post("/pay")
    def pay(
        caller: Annotated[Caller, Depends(signed_in)],
        idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
    ) -> Answer:
        return Answer(b'{"paid":true}', status=201, headers={"location": "/x"})

    status, body, headers = ask(serve(router), authorization="Bearer anna")
    assert (status, "Idempotency-Key" in body["detail"]) == (400, True)
    status, body, headers = ask(serve(router), authorization="Bearer anna", idempotency_key="k")
    assert (status, body, headers["location"]) == (201, {"paid": True}, "/x")


def test_a_route_that_could_not_be_served_strictly_is_refused_at_import():
    from pydantic import BaseModel

    class Loose(BaseModel):
        count: int

    loose = Router()
    loose.post("/x")(_with_body(Loose))
    with pytest.raises(TypeError, match="must refuse unknown fields"):
        serve(loose)
    two = Router()
    two.get("/a")(dict)
    two.get("/b")(dict)
    with pytest.raises(TypeError, match="one route"):
        serve(two)


def _with_body(model):
    def function(body):
        return {}

    function.__annotations__["body"] = Annotated[model, Body()]
    return function
