"""The local edge in front of a made-up gateway: what it passes on, what it writes itself, what it refuses."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from infra.local.front import BODY_LIMIT, Front

Scenario = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


async def gateway(request: web.BaseRequest) -> web.StreamResponse:
    """Says what it was asked, as the engine's execute-api would receive it."""
    if request.path.startswith("/_aws/execute-api/ws123"):
        socket = web.WebSocketResponse(protocols=["bearer"])
        await socket.prepare(request)
        await socket.send_str(request.raw_path)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket
    if request.path.endswith("/api/v2/providers/slow"):
        await asyncio.Event().wait()
    told = {"path": request.raw_path, "headers": dict(request.headers), "body": (await request.read()).decode()}
    return web.json_response(
        told, status=201, headers={"X-Request-Id": "r1", "Access-Control-Allow-Origin": "https://app.example"}
    )


def address(runner: web.ServerRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a scenario against a front whose upstream is the gateway above (or nothing at all)."""
    monkeypatch.setattr("infra.local.front.ANSWER_SECONDS", 0.2)

    async def stage(scenario: Scenario, *, upstream: bool, websocket: str) -> None:
        behind = web.ServerRunner(web.Server(gateway), shutdown_timeout=0.1)
        await behind.setup()
        engine = web.TCPSite(behind, "127.0.0.1", 0)
        await engine.start()
        settings = {
            "engine": address(behind),
            "apis": {"offers": {"public": "off1", "internal": "off2"}, "console": {"public": "con1"}},
            "websocket_api": websocket,
            "edge_secret": "the-secret",
        }
        (tmp_path / "front.json").write_text(json.dumps(settings))
        if not upstream:
            await engine.stop()
        front = Front(tmp_path / "front.json")
        await front.open()
        runner = web.ServerRunner(web.Server(front.answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                await scenario(session, address(runner))
        finally:
            await front.close()
            await runner.cleanup()
            await behind.cleanup()

    def run(scenario: Scenario, *, upstream: bool = True, websocket: str = "") -> None:
        asyncio.run(stage(scenario, upstream=upstream, websocket=websocket))

    return run


def test_path_query_method_body_and_status_pass_through_as_they_are(play):
    async def scenario(session, base):
        url = aiohttp.client.URL(base + "/api/v2/providers/a%2Fb%20c?gpu=H100&x=%2B&y", encoded=True)
        async with session.patch(url, data=b'{"a": 1}') as answer:
            told = await answer.json()
            assert answer.status == 201
            assert answer.headers["X-Request-Id"] == "r1"
        assert told["path"] == "/_aws/execute-api/off1/$default/api/v2/providers/a%2Fb%20c?gpu=H100&x=%2B&y"
        assert told["body"] == '{"a": 1}'

    play(scenario)


def test_each_path_reaches_the_api_that_the_table_names(play):
    async def scenario(session, base):
        for path, api in {"/internal/v1/providers/stats": "off2", "/health": "off1", "/docs": "con1"}.items():
            async with session.get(base + path) as answer:
                assert (await answer.json())["path"] == f"/_aws/execute-api/{api}/$default{path}"

    play(scenario)


def test_what_only_the_edge_may_say_cannot_be_said_by_a_client(play):
    async def scenario(session, base):
        forged = {
            "cloudfront-viewer-address": "6.6.6.6:1",
            "X-Origin-Secret": "guess",
            "CloudFront-Viewer-Country": "XX",
        }
        async with session.get(base + "/health", headers=forged | {"X-Forwarded-For": "7.7.7.7"}) as answer:
            headers = {name.lower(): value for name, value in (await answer.json())["headers"].items()}
        assert headers["cloudfront-viewer-address"].startswith("127.0.0.1:")
        assert headers["x-origin-secret"] == "the-secret"
        assert "cloudfront-viewer-country" not in headers
        assert headers["x-forwarded-for"] == "7.7.7.7, 127.0.0.1", "appended, as CloudFront does; nobody trusts it"

    play(scenario)


def test_cors_is_answered_by_the_api_as_behind_the_edge_on_aws(play):
    async def scenario(session, base):
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        async with session.options(base + "/health", headers=asks) as answer:
            told = {name.lower(): value for name, value in (await answer.json())["headers"].items()}
            assert told["access-control-request-method"] == "POST"
            assert answer.headers.getall("Access-Control-Allow-Origin") == ["https://app.example"]

    play(scenario)


def test_the_edges_own_answers_can_be_read_by_a_browser_of_any_origin(play):
    async def scenario(session, base):
        async with session.get(base + "/api/v2/rentals", headers={"Origin": "https://app.example"}) as answer:
            assert answer.headers.getall("Access-Control-Allow-Origin") == ["*"]

    play(scenario)


def test_a_path_that_no_deployed_api_answers_is_a_problem(play):
    async def scenario(session, base):
        async with session.get(base + "/api/v2/rentals") as answer:
            assert answer.status == 404
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["type"].endswith("not-found")

    play(scenario)


def test_a_body_over_the_gateways_limit_is_413(play):
    async def scenario(session, base):
        async with session.post(base + "/api/v2/providers/query", data=io.BytesIO(b"x" * (BODY_LIMIT + 1))) as answer:
            assert answer.status == 413
            assert (await answer.json())["status"] == 413

    play(scenario)


def test_an_engine_that_is_away_is_a_502_problem(play):
    async def scenario(session, base):
        async with session.get(base + "/health") as answer:
            assert answer.status == 502
            assert (await answer.json())["type"].endswith("upstream-unavailable")

    play(scenario, upstream=False)


def test_an_engine_that_gives_no_answer_is_a_504_problem(play):
    async def scenario(session, base):
        async with session.get(base + "/api/v2/providers/slow") as answer:
            assert answer.status == 504

    play(scenario)


def test_a_stack_without_websockets_says_so(play):
    async def scenario(session, base):
        async with session.get(base + "/ws/providers/?token=t") as answer:
            assert answer.status == 404
            assert "WebSocket" in (await answer.json())["detail"]

    play(scenario)


def test_a_websocket_path_becomes_the_query_of_the_websocket_api(play):
    async def scenario(session, base):
        async with session.ws_connect(base + "/ws/providers/?token=t") as socket:
            assert await socket.receive_str() == "/_aws/execute-api/ws123/live?token=t&path=%2Fws%2Fproviders%2F"
            await socket.send_str("subscribe")
            assert await socket.receive_str() == "SUBSCRIBE"

    play(scenario, websocket="ws123")


def test_the_subprotocol_that_the_api_chooses_reaches_the_client(play):
    async def scenario(session, base):
        async with session.ws_connect(base + "/ws/providers/", protocols=["bearer", "a.token"]) as socket:
            assert socket.protocol == "bearer"
        async with session.ws_connect(base + "/ws/providers/") as socket:
            assert socket.protocol is None

    play(scenario, websocket="ws123")
