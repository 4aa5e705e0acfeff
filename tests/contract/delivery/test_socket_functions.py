"""The functions behind the WebSocket API, each with no more than its template gives it: environment and permissions.

A whole life of a connection on moto; what API Gateway and Lambda would be asked is answered here, and must be allowed.
"""

import importlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from infra.rules.templates import ROOT, functions, load
from tests.contract.callers import Callers
from tests.contract.house import Context, House, forget
from tests.contract.test_each_function import ALWAYS, PARAMETERS, Call, allowed, calls_of
from tests.unit.delivery.facts import alert_triggered, prices_updated, rental_event

TEMPLATE = ROOT / "infra" / "delivery.yaml"
FUNCTIONS = {properties["Handler"]: properties for properties in functions(TEMPLATE).values()}
GONE = "gone-0"


class Outside:
    """API Gateway and Lambda: what they were asked."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.greetings: list[dict[str, Any]] = []
        self.calls: set[Call] = set()

    def answer(self, operation: str, given: dict[str, Any]) -> Any:
        if operation == "Invoke":
            self.calls.add(("lambda:InvokeFunction", "GreetSocketFunction"))
            self.greetings.append(json.loads(given["Payload"]))
            return {}
        verb = {"PostToConnection": "POST", "DeleteConnection": "DELETE"}[operation]
        self.calls.add(("execute-api:ManageConnections", verb))
        if given["ConnectionId"] == GONE:
            said: Any = {"Error": {"Code": "GoneException"}, "ResponseMetadata": {"HTTPStatusCode": 410}}
            raise ClientError(said, operation)
        if verb == "POST":
            self.posts.append((given["ConnectionId"], json.loads(given["Data"])))
        return {}


def may(handler: str) -> set[Call]:
    """What its policies allow; a verb for each kind of call about connections."""
    found = set()
    for action, resource in allowed(FUNCTIONS[handler]):
        verb = re.search(r"/live/(\w+)/@connections/\*$", resource)
        found.add((action, verb[1] if verb else resource))
    return found


@contextmanager
def deployed(name: str, outside: Outside) -> Iterator[Any]:
    """The function `delivery.<name>` in the environment of its template; its calls to AWS are held to its policies."""
    handler = f"delivery.{name}.handler"
    own = FUNCTIONS[handler]["Environment"]["Variables"]
    made: set[Call] = set()
    outside.calls.clear()
    real = BaseClient._make_api_call

    def recorded(self: Any, operation: str, given: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        if service in ("apigatewaymanagementapi", "lambda"):
            return outside.answer(operation, given)
        made.update(calls_of(service, operation, given))
        return real(self, operation, given)

    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable not in own and not ALWAYS.match(variable):
                patch.delenv(variable)
        for variable, value in own.items():
            if variable not in os.environ:
                named = (
                    PARAMETERS.get(value["Ref"], {}).get("Default", value["Ref"]) if isinstance(value, dict) else value
                )
                patch.setenv(variable, str(named))
        patch.setattr(BaseClient, "_make_api_call", recorded)
        forget()
        yield importlib.import_module(f"delivery.{name}").handler
    forget()
    assert made | outside.calls <= may(handler), f"{name} does what its policies do not allow"


def event(kind: str, connection_id: str, *, body: Any = None, query: Any = None, headers: Any = None) -> dict[str, Any]:
    """What a WebSocket API sends."""
    context = {
        "routeKey": {"CONNECT": "$connect", "DISCONNECT": "$disconnect", "MESSAGE": "$default"}[kind],
        "eventType": kind,
        "connectionId": connection_id,
        "domainName": "ws.execute-api.us-east-1.amazonaws.com",
        "stage": "live",
        "apiId": "ws",
        "identity": {"sourceIp": "203.0.113.9"},
    }
    told: dict[str, Any] = {"requestContext": context, "isBase64Encoded": False}
    if kind == "CONNECT":
        return told | {"queryStringParameters": query, "headers": headers or {}}
    return told | {"body": json.dumps(body) if body else ""}


def queued(*bodies: Any) -> dict[str, Any]:
    records = [
        {"messageId": str(n), "body": body if isinstance(body, str) else json.dumps(body), "eventSource": "aws:sqs"}
        for n, body in enumerate(bodies)
    ]
    return {"Records": records}


def test_the_life_of_a_connection_needs_no_more_than_the_templates_give(house: House, callers: Callers) -> None:
    outside, token, tenant = Outside(), callers["pro"].token, callers["pro"].tenant
    wanted = {"offer_id": house.call("GET", "/api/v2/providers").json()["offers"][0]["offer_id"], "duration_hours": 1}
    rental = house.call("POST", "/api/v2/rentals", token=token, body=wanted).json()["rental_id"]

    def connect(connection_id: str, query: dict[str, str], headers: dict[str, str] | None = None) -> dict[str, Any]:
        with deployed("connect_socket", outside) as handler:
            answer: dict[str, Any] = handler(event("CONNECT", connection_id, query=query, headers=headers), Context())
        return answer

    path = {"path": f"/ws/rentals/{rental}/", "channels": "price_updates,alerts", "last_sequence": "0"}
    by_protocol = connect("pro-1", path, {"Sec-WebSocket-Protocol": f"bearer, {token}"})
    assert by_protocol == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "bearer"}}
    everything = "price_updates,gpu:H100"
    assert connect(GONE, {"path": "/ws/providers/", "channels": everything})["statusCode"] == 200
    assert connect("bad", {"path": "/ws/providers/", "token": "x"})["statusCode"] == 401
    assert connect("bad", {"path": "/ws/providers/", "token": str(token)}, {"X-API-Key": "y"})["statusCode"] == 401
    theirs = {"path": f"/ws/rentals/{rental}/", "token": str(callers["enterprise"].token)}
    assert connect("bad", theirs)["statusCode"] == 404
    agent = callers["agent"]
    mine = {"path": "/ws/agents/the-agent/", "token": str(agent.token)}
    assert connect("agent-1", mine)["statusCode"] == 200
    assert [told["connection_id"] for told in outside.greetings] == ["pro-1", GONE, "agent-1"]

    with deployed("greet_socket", outside) as handler:
        assert handler({"connection_id": "pro-1"}, Context())
    assert [told["type"] for _, told in outside.posts] == ["connection", "rental_status", "resumed"]
    outside.posts.clear()

    for message in (
        {"type": "subscribe", "channel": "gpu:H100"},
        {"type": "subscribe", "channel": f"rental:{rental}"},
        {"type": "unsubscribe", "channel": "gpu:H100"},
        {"type": "ping"},
        {"type": "resume", "last_sequence": 0},
        {"type": "get_providers"},
        {"type": "get_offers", "filters": {"gpu": "H100", "per_page": 2}},
    ):
        with deployed("receive_message", outside) as handler:
            assert handler(event("MESSAGE", "pro-1", body=message), Context()) == {"statusCode": 200}
    assert "error" not in {told["type"] for _, told in outside.posts}
    outside.posts.clear()

    with deployed("fan_out_events", outside) as handler:
        facts = (
            prices_updated(),
            rental_event(rental_id=rental, tenant=tenant),
            alert_triggered(tenant=tenant, user=tenant),
        )
        assert handler(queued(*facts), Context()) == {"batchItemFailures": []}
    assert [told["type"] for who, told in outside.posts if who == "pro-1"] == [
        "price_update",
        "rental_status",
        "price_alert",
    ]

    assert connect(GONE, {"path": "/ws/providers/", "channels": everything})["statusCode"] == 200
    piece = {"frames": ["{}"], "to": [[GONE, [0]]], "attempt": 0}
    with deployed("post_messages", outside) as handler:
        assert handler(queued(piece), Context()) == {"batchItemFailures": []}
    with deployed("sweep_sockets", outside) as handler:
        assert handler({}, Context()) == 0
    with deployed("disconnect_socket", outside) as handler:
        assert handler(event("DISCONNECT", "pro-1"), Context()) == {"statusCode": 200}


def test_every_event_that_sockets_tell_of_is_one_that_its_rule_brings() -> None:
    from gpubroker.rentals.facts import EVENT_TYPES

    rule = load(TEMPLATE)["Resources"]["SocketEventsRule"]
    brought = set(rule["Properties"]["EventPattern"]["detail-type"])
    public = {"PricesUpdated", "ProviderHealthChanged", "AvailabilityChanged"}
    assert brought == public | {"PriceAlertTriggered"} | set(EVENT_TYPES)
