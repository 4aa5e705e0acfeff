"""Paths and methods that nothing serves: problem documents from every context, for anybody; limited by address."""

from importlib import import_module

import pytest

from gpubroker.edge import rate_limits
from gpubroker.edge.rate_limits import Decision
from infra.rules.templates import all_templates, functions, resources
from tests.contract.house import House

# One of each HTTP API; what the edge does not lead anywhere is the console's.
UNKNOWN = (
    "/api/v2/auth/nowhere",
    "/internal/v1/auth/nowhere",
    "/api/v2/providers/one/two/three",
    "/internal/v1/providers/nowhere",
    "/api/v2/rentals/one/two/three",
    "/internal/v1/rentals/one/two/three",
    "/internal/v1/management/nowhere",
    "/nowhere",
    "/docs/",
)
CONTEXTS = (
    "billing", "console", "delivery", "identity", "ledger", "management", "offers", "prices", "rentals", "usage"
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
@pytest.mark.parametrize("path", UNKNOWN)
def test_a_path_that_nothing_serves_is_a_problem_document(house: House, path: str, method: str) -> None:
    body = None if method in ("GET", "HEAD", "OPTIONS") else "{broken"
    reply = house.call(method, f"{path}?what=ever", body=body, headers={"authorization": "Bearer of.long.ago"})
    assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
    told = reply.json()
    assert (told["type"], told["status"]) == ("/docs/problems#no-such-route", 404)
    assert path in told["detail"]
    assert reply.headers["cache-control"] == "no-store"
    assert told["instance"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/v2/providers", "GET"),
        ("PUT", "/api/v2/rentals/ren_1", "DELETE, GET"),
        ("GET", "/api/v2/auth/login", "POST"),
        ("POST", "/docs", "GET"),
        ("HEAD", "/", "GET"),
    ],
)
def test_a_path_with_other_methods_says_which(house: House, method: str, path: str, allow: str) -> None:
    reply = house.call(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert reply.json()["type"] == "/docs/problems#method-not-allowed"
    asked = house.call("OPTIONS", path)
    assert (asked.status, asked.headers["allow"], asked.text) == (204, allow, "")


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/api/management/integration/nowhere", 404, "Nothing is served"),
        ("POST", "/api/management/integration", 404, "Nothing is served"),
        ("DELETE", "/api/management/integration/orders/update", 405, "takes GET, POST"),
        ("PATCH", "/api/management/integration/fees/config", 405, "takes GET, PUT"),
    ],
)
def test_where_a_surface_has_its_own_form_it_is_refused_in_that(
    house: House, method: str, path: str, status: int, word: str
) -> None:
    reply = house.call(method, path)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    told = reply.json()
    assert set(told) == {"success", "error"}
    assert told["success"] is False
    assert word in told["error"]
    assert ("allow" in reply.headers) is (status == 405)


def test_what_is_internal_is_not_told(house: House) -> None:
    assert house.call("DELETE", "/internal/v1/providers/stats").status == 404


@pytest.mark.parametrize("path", [*UNKNOWN, "/api/v2/providers"])
def test_a_preflight_succeeds_whatever_it_is_for(house: House, path: str) -> None:
    """API Gateway hands it to `$default` and adds the CORS headers of the API; a browser asks for a 2xx."""
    headers = {"origin": "https://app.example", "access-control-request-method": "GET"}
    assert house.call("OPTIONS", path, headers=headers).status == 204


class Counting:
    """A limiter that lets nobody through and remembers who came."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def check(self, caller: object) -> Decision:
        self.seen.append(getattr(caller, "address", ""))
        return Decision(allowed=False, limit=10, remaining=0, reset_after_s=1.0, retry_after_s=0.4)


def test_refusals_are_limited_by_address_where_redis_is(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Counting()
    monkeypatch.setattr(rate_limits, "limiter", lambda: limiter)
    for context in CONTEXTS:
        assert import_module(f"{context}.refuse_route").handler.limited is (context not in ("console", "identity"))
    assert house.call("GET", "/api/v2/providers/one/two", token="of.long.ago").status == 429
    assert house.call("GET", "/api/v2/rentals/one/two").status == 429
    assert house.call("OPTIONS", "/api/v2/providers").status == 204
    assert house.call("GET", "/api/v2/auth/nowhere").status == 404
    assert limiter.seen == [house.address] * 2


def test_every_http_api_has_the_route_and_its_function_may_do_nothing() -> None:
    led: set[tuple[str, str]] = set()
    for template in all_templates():
        for properties in functions(template).values():
            events = [event["Properties"] for event in properties.get("Events", {}).values()]
            bare = [told for told in events if set(told) == {"ApiId"}]
            led |= {(template.stem, told["ApiId"]["Ref"]) for told in bare}
            assert not bare or "Policies" not in properties
    apis = {(path.stem, name) for path in all_templates() for name in resources(path, "AWS::Serverless::HttpApi")}
    assert led == apis
    assert len(apis) == 19
