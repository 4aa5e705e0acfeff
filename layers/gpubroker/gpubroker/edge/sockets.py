"""WebSocket handlers: chalice's decorators around ours, who calls, and the one log line.

`chalice` is the library of the handlers only (its `app` module): templates deploy them. Its own `websocket_api` is not
used for posting: it knows one endpoint and no timeouts; `delivery.sockets.posting` does it.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Chalice

from gpubroker.delivery.sockets.desk import Handshake
from gpubroker.edge.address import viewer_address
from gpubroker.edge.log import logger
from gpubroker.edge.problems import status_of
from gpubroker.kernel import trace
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Problem, Unauthenticated

Answer = dict[str, Any]
_PROTOCOL = "sec-websocket-protocol"
BEARER = "bearer"


def socket_app() -> Chalice:
    """An app to hang one handler on. It writes into an environment of its own and leaves logging alone."""
    return Chalice("gpubroker", configure_logs=False, env={})


def connecting(event: Mapping[str, Any], connect: Callable[[Handshake], None]) -> Answer:
    """The answer to a handshake: 200, with the subprotocol `bearer` where the token came by it; a problem's status."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    query = dict(event.get("queryStringParameters") or {})
    return _told(event, headers, lambda call: _connected(event, headers, query, connect, call))


def _connected(
    event: Mapping[str, Any],
    headers: Mapping[str, str],
    query: dict[str, str],
    connect: Callable[[Handshake], None],
    call: dict[str, Any],
) -> Answer:
    caller, by_protocol = _caller(event, headers, query.pop("token", None))
    call |= {"caller": caller.role.value, "subject": caller.subject}
    path = query.pop("path", "/ws/providers/")
    connect(Handshake(event["requestContext"]["connectionId"], caller, _holder(caller), path, query))
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": BEARER} if by_protocol else {}}


def said(event: Mapping[str, Any], hear: Callable[[str, str], str]) -> Answer:
    """A client's message; what is answered to it has been posted, so nothing is returned but that it was heard."""

    def heard(call: dict[str, Any]) -> Answer:
        call["outcome"] = hear(event["requestContext"]["connectionId"], event.get("body") or "")
        return {"statusCode": 200}

    return _told(event, {}, heard)


def left(event: Mapping[str, Any], remove: Callable[[str], bool]) -> Answer:
    """The end of a connection, as far as API Gateway tells of it."""

    def removed(call: dict[str, Any]) -> Answer:
        call["outcome"] = "removed" if remove(event["requestContext"]["connectionId"]) else "gone"
        return {"statusCode": 200}

    return _told(event, {}, removed)


def _caller(event: Mapping[str, Any], headers: Mapping[str, str], token: str | None) -> tuple[Caller, bool]:
    """Who connects, and whether the credential came as a subprotocol. Raises Unauthenticated.

    One credential, of three places: `?token=`, the subprotocols `bearer, <token>`, or a header as of any request.
    """
    address = viewer_address(event, headers)
    offered = [name.strip() for name in headers.get(_PROTOCOL, "").split(",")]
    by_protocol = offered[0] == BEARER
    if by_protocol and (len(offered) != 2 or not offered[1]):
        raise Unauthenticated("The subprotocols are `bearer` and the token.")
    in_headers = "authorization" in headers or "x-api-key" in headers
    if (token is not None) + by_protocol + in_headers > 1:
        raise Unauthenticated("Send one credential, not two.")
    if token is None and not by_protocol and not in_headers:
        return Caller(Role.ANONYMOUS, address=address), False
    from gpubroker.composition import identity as composition

    verifier = composition.verifier()
    if in_headers:
        return verifier.caller_of(headers, address, time.time()), False
    text = offered[1] if by_protocol else (token or "").strip()
    if not text:
        raise Unauthenticated("The token is empty.")
    return verifier.caller_of_text(text, address, time.time()), by_protocol


def _holder(caller: Caller) -> str:
    """Whose connections are counted together: a tenant's, or an address's (IPv6: a /64's)."""
    from gpubroker.edge.rate_limits import bucket_of

    return caller.tenant or f"ADDRESS#{bucket_of(caller).removeprefix('a:')}"


def _told(event: Mapping[str, Any], headers: Mapping[str, str], answered: Callable[[dict[str, Any]], Answer]) -> Answer:
    """What `answered` says, or the status of what it raises; one log line."""
    started = time.perf_counter()
    context = event["requestContext"]
    span = trace.continue_trace(
        headers.get("traceparent"),
        headers.get("x-correlation-id"),
        xray=os.environ.get("_X_AMZN_TRACE_ID", ""),
        fallback=context["connectionId"],
    )
    token = trace.current.set(span)
    call: dict[str, Any] = {}
    try:
        answer = answered(call)
    except Problem as problem:
        call["problem"] = problem.code
        answer = {"statusCode": status_of(problem)}
    except Exception:
        logger().exception("socket failed", route=context["routeKey"], trace_id=span.trace_id)
        answer = {"statusCode": 500}
    finally:
        trace.current.reset(token)
    line = {
        "route": context["routeKey"],
        "status": answer["statusCode"],
        "duration_ms": round((time.perf_counter() - started) * 1000, 3),
        "trace_id": span.trace_id,
        "connection_id": context["connectionId"],
    }
    logger().info("socket", extra=line | call)
    return answer
