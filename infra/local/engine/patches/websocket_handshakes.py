"""WebSocket APIs: the function behind `$connect` decides what the client's handshake is answered with.

AWS ("$connect and $disconnect routes" in the API Gateway developer guide): a `$connect` integration may return
`headers: {"Sec-WebSocket-Protocol": ...}`, which names the subprotocol that was chosen of those that the client
offered; a status other than 2xx refuses the handshake with that status. The stock engine chooses no subprotocol, so
that clients that need one hang up, and refuses with 403 whatever the function said.
"""

import contextvars
from typing import Any

from ministack.services import apigateway

from infra.local.engine.patching import original, replaces

_answer: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("connect_answer")


def subprotocol(answer: dict[str, Any]) -> str | None:
    """The subprotocol that a `$connect` function chose."""
    headers = {str(name).lower(): value for name, value in (answer.get("headers") or {}).items()}
    chosen = headers.get("sec-websocket-protocol")
    return str(chosen) if chosen else None


def apply() -> None:
    invoke = original(apigateway, "_invoke_ws_lambda")
    refuse = original(apigateway, "_refuse_ws_handshake")
    drive = original(apigateway, "handle_websocket")

    @replaces(apigateway)
    async def _invoke_ws_lambda(*args: Any, **named: Any) -> Any:
        result = await invoke(*args, **named)
        if args[6] == "CONNECT":
            _answer.get({}).update(result or {})
        return result

    @replaces(apigateway)
    async def handle_websocket(
        scope: dict[str, Any], receive: Any, send: Any, api_id: str, path_override: str | None = None
    ) -> None:
        answer: dict[str, Any] = {}
        accepted = False

        async def answered(message: dict[str, Any]) -> None:
            nonlocal accepted
            status = int(answer.get("statusCode", 200))
            if message["type"] == "websocket.accept":
                accepted = True
                if chosen := subprotocol(answer):
                    message = {**message, "subprotocol": chosen}
            elif message["type"] == "websocket.close" and not accepted and not 200 <= status < 300:
                await refuse(scope, send, status, "", "", "")
                return
            await send(message)

        token = _answer.set(answer)
        try:
            await drive(scope, receive, answered, api_id, path_override)
        finally:
            _answer.reset(token)
