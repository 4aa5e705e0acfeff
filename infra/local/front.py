"""The edge of the local cloud: one port that plays CloudFront in front of every context's API.

Routes by `infra/paths.yaml`, keeps path and query as they came, proves itself with the edge's secret, says who the
viewer is, lets each API answer CORS, and turns `/ws/...` paths into the query that `$connect` reads.
It does not cache (on AWS anonymous browsing is cached for seconds) and it serves /internal (on AWS it does not).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from infra.local import paths

BODY_LIMIT = 10 * 1024 * 1024  # what API Gateway takes
ANSWER_SECONDS = 30.0  # what API Gateway waits for a function
# RFC 9110 §7.6.1, and what a proxy writes itself.
HOP_BY_HOP = frozenset(
    """connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding
    upgrade content-length host expect""".split()  # noqa: SIM905 - a list of words reads better as words
)
FORGEABLE = ("cloudfront-", "x-origin-secret", "x-amz-", "x-amzn-")
# For the answers that the front gives itself; all others bring what their API is configured for, as on AWS.
CORS = {"Access-Control-Allow-Origin": "*"}


class Front:
    """Answers every request of the one port. `reload` takes a new configuration without dropping a connection."""

    def __init__(self, configuration: Path) -> None:
        self._configuration = configuration
        self._routes: list[paths.Route] = []
        self._targets: dict[tuple[str, str], str] = {}
        self._websocket = ""
        self._edge_secret = ""
        self._session: aiohttp.ClientSession | None = None
        self.reload()

    def reload(self) -> None:
        settings = json.loads(self._configuration.read_text())
        base = f"{settings['engine']}/_aws/execute-api"
        self._routes = paths.read()
        self._targets = {
            (context, api): f"{base}/{api_id}/$default"
            for context, apis in settings["apis"].items()
            for api, api_id in apis.items()
        }
        websocket = settings.get("websocket_api")
        self._websocket = f"{base}/{websocket}/{settings.get('websocket_stage', 'live')}" if websocket else ""
        self._edge_secret = settings["edge_secret"]

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
        )

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request in, one answer out; what goes wrong here is a problem document too."""
        path = request.rel_url.raw_path
        if path == "/ws" or path.startswith("/ws/"):
            return await self._connect(request, path)
        route = paths.find(self._routes, path)
        target = self._targets.get((route.context, route.api)) if route else None
        if route is None or target is None:
            return problem(404, "not-found", f"Nothing is served at {path}.")
        try:
            body = await request.content.read(BODY_LIMIT + 1) if request.can_read_body else b""
            while body and not request.content.at_eof() and len(body) <= BODY_LIMIT:
                body += await request.content.read(BODY_LIMIT + 1 - len(body))
            if len(body) > BODY_LIMIT:
                return problem(413, "too-large", f"A body may have {BODY_LIMIT} bytes.")
            return await self._forward(request, target, body)
        except TimeoutError:
            return problem(504, "upstream-timeout", f"The {route.context} API gave no answer in time.")
        except aiohttp.ClientError:
            return problem(502, "upstream-unavailable", f"The {route.context} API does not answer.")

    async def _forward(self, request: web.BaseRequest, target: str, body: bytes) -> web.Response:
        assert self._session  # noqa: S101 - opened before the server listens
        url = URL(target + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=self._headers(request), data=body or None, allow_redirects=False
        ) as upstream:
            answer = await upstream.read()
            headers: CIMultiDict[str] = CIMultiDict(
                (name, value) for name, value in upstream.headers.items() if name.lower() not in HOP_BY_HOP
            )
            return web.Response(status=upstream.status, body=answer, headers=headers)

    def _headers(self, request: web.BaseRequest) -> CIMultiDict[str]:
        """The client's headers without those that only the edge may write, and with the edge's own."""
        headers: CIMultiDict[str] = CIMultiDict(
            (name, value)
            for name, value in request.headers.items()
            if (lower := name.lower()) not in HOP_BY_HOP and not lower.startswith(FORGEABLE)
        )
        peer = request.transport.get_extra_info("peername") if request.transport else None
        address, port = peer[:2] if peer else ("127.0.0.1", 0)
        forwarded = headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{forwarded}, {address}" if forwarded else address
        headers["CloudFront-Viewer-Address"] = f"{address}:{port}"
        headers["X-Origin-Secret"] = self._edge_secret
        return headers

    async def _connect(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """A WebSocket: `/ws/providers/?token=t` becomes `?token=t&path=%2Fws%2Fproviders%2F` of the WebSocket API."""
        if not self._websocket:
            return problem(404, "not-found", "This stack has no WebSocket API yet; poll the HTTP API instead.")
        assert self._session  # noqa: S101 - opened before the server listens
        query = "&".join(filter(None, [request.rel_url.raw_query_string, f"path={quote(path, safe='')}"]))
        url = URL(f"{self._websocket}?{query}", encoded=True)
        headers = {k: v for k, v in self._headers(request).items() if not k.lower().startswith("sec-websocket-")}
        offered = [
            name.strip()
            for line in request.headers.getall("Sec-WebSocket-Protocol", [])
            for name in line.split(",")
            if name.strip()
        ]
        try:
            upstream = await self._session.ws_connect(url, headers=headers, protocols=offered, autoping=False)
        except aiohttp.WSServerHandshakeError as error:
            return problem(error.status, "connection-refused", "The WebSocket API refused the connection.")
        except aiohttp.ClientError:
            return problem(502, "upstream-unavailable", "The WebSocket API does not answer.")
        downstream = web.WebSocketResponse(autoping=False, protocols=[upstream.protocol] if upstream.protocol else [])
        try:
            await downstream.prepare(request)
            pumps = [asyncio.create_task(_pump(upstream, downstream)), asyncio.create_task(_pump(downstream, upstream))]
            _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pending:
                pump.cancel()
        finally:
            await upstream.close()
            await downstream.close()
        return downstream


async def _pump(source: Any, sink: Any) -> None:
    """Frames from one side to the other until either closes."""
    async for message in source:
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)


def problem(status: int, code: str, detail: str) -> web.Response:
    """RFC 9457, as the functions answer."""
    body = {
        "type": f"/docs/problems#{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    return web.Response(
        status=status, headers=CORS, content_type="application/problem+json", body=json.dumps(body).encode()
    )


async def serve(configuration: Path, port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    front = Front(configuration)
    await front.open()
    # The plain server: one handler for all, so no router has to be asked.
    runner = web.ServerRunner(web.Server(front.answer, access_log=None), handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=512).start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, front.reload)
    await ended.wait()
    await runner.cleanup()
    await front.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.front", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--configuration", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.configuration, options.port))


if __name__ == "__main__":
    main()
