"""HTTP APIs: the caller's address, cookies, and the gateway's own words when a function fails.

AWS ("Create AWS Lambda proxy integrations for HTTP APIs"): requestContext.http.sourceIp is the address of the caller,
and the cookies of a request are a list of their own in payload format 2.0; a function that fails is answered to the
caller by 500 `{"message":"Internal Server Error"}`, never by its error. The stock engine says 127.0.0.1 for everyone
and sends the function's error, with its words and its stack, as a 502.

Before the engine stands the local front, as CloudFront stands before API Gateway, and names the caller in
CloudFront-Viewer-Address (`address:port`). The engine believes that header from the loopback interface alone.
"""

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_request_client_ip
from ministack.services import apigateway

from infra.local.engine.patching import original, replaces

VIEWER_HEADER = "cloudfront-viewer-address"

_FAILURE = {
    "statusCode": 500,
    "headers": {"content-type": "application/json"},
    "body": json.dumps({"message": "Internal Server Error"}, separators=(",", ":")),
}

_caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="127.0.0.1")


def caller_of(headers: dict[str, str], peer: str) -> str:
    """The address of the caller: what the front says of it, if the front is who speaks."""
    viewer = headers.get(VIEWER_HEADER, "") if peer in ("127.0.0.1", "::1") else ""
    return viewer.rpartition(":")[0].strip("[]") or peer


def apply() -> None:
    proxy = original(apigateway, "_invoke_lambda_proxy")
    reentrant = original(apigateway, "run_reentrant")

    @replaces(apigateway)
    async def _invoke_lambda_proxy(*args: Any, **named: Any) -> Any:
        headers: dict[str, str] = args[5]
        token = _caller.set(caller_of(headers, get_request_client_ip()))
        try:
            return await proxy(*args, **named)
        finally:
            _caller.reset(token)

    # The one step between the finished event and the answer of the function.
    @replaces(apigateway)
    async def run_reentrant(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        event = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
        http = (event.get("requestContext") or {}).get("http")
        if not http or event.get("version") != "2.0" or "type" in event:  # a WebSocket's, or an authorizer's
            return await reentrant(function, *arguments, **named)
        http["sourceIp"] = _caller.get()
        if cookies := event["headers"].pop("cookie", None):
            event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
        result = await reentrant(function, *arguments, **named)
        return {"body": _FAILURE} if result.get("error") and not result.get("throttle") else result
