"""Paths that nothing serves, through the front and the gateways: each HTTP API answers with a problem document."""

import pytest

from infra.local.cloud import LocalCloud
from tests.e2e.callers import client

UNKNOWN = (
    "/api/v2/auth/nowhere",
    "/internal/v1/auth/nowhere",
    "/api/v2/providers/one/two/three",
    "/internal/v1/providers/nowhere",
    "/api/v2/rentals/one/two/three",
    "/internal/v1/rentals/one/two/three",
    "/nowhere",
)


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_is_a_problem_document(cloud: LocalCloud, path: str):
    with client(cloud.environment) as http:
        answer = http.post(path, content=b"{", headers={"Origin": "https://app.example"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        told = answer.json()
        assert told["type"] == "/docs/problems#no-such-route"
        assert path in told["detail"]
        assert (answer.headers.get("access-control-allow-origin") == "*") is not path.startswith("/internal/")


def test_another_method_is_refused_with_those_that_there_are(cloud: LocalCloud):
    with client(cloud.environment) as http:
        answer = http.delete("/api/v2/providers")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        page, _, anchor = answer.json()["type"].partition("#")
        assert f'id="{anchor}"' in http.get(page).text
        head = http.head("/docs")
        assert (head.status_code, head.content) == (405, b"")


@pytest.mark.parametrize("path", ["/api/v2/providers", "/api/v2/auth/login", "/api/v2/rentals", "/nowhere"])
def test_a_preflight_is_answered_by_the_api(cloud: LocalCloud, path: str):
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    with client(cloud.environment) as http:
        answer = http.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]
