"""`serve(router)`: a Lambda handler from one Powertools route.

The order is fixed (DESIGN §3, §5): who calls, whether that is enough (401, 403), how often (429), what is asked
(400, 413, 422), then the use case. Every way out is an answer with the same headers and one log line.
"""

import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

import orjson
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel
from typing_extensions import TypeVar

from gpubroker.edge import known_paths, metrics, problems, rate_limits
from gpubroker.edge.address import viewer_address
from gpubroker.edge.caller import identify
from gpubroker.edge.error_formats import PROBLEM_DOCUMENT, ErrorFormat, Surfaces, format_at
from gpubroker.edge.inputs import raw_body
from gpubroker.edge.log import logger
from gpubroker.edge.route import Exchange, Route, compile_route
from gpubroker.kernel import deadline, trace
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Problem, TooManyRequests, Unauthenticated

Event = Mapping[str, Any]
Response = dict[str, Any]
Handler = Callable[[Event, Any], Response]

_JSON = "application/json"

CALL_S = 5.0
"""Seconds that what a request calls may take (R1.5); what a caller asks to wait for (`Prefer: wait`) is no call."""


Told = TypeVar("Told", default=Any)


@dataclass(slots=True)
class Answer(Generic[Told]):
    """An answer with a status or headers of its own. `-> Answer[RentalView]` is how a route tells the API document.

    body: a model, a dict, a list, text, or bytes that are JSON already; None for no body.
    binary: the body's bytes are no text (a PDF, what is compressed): they travel in base64, and the gateway hands them
    on as bytes. Lambda answers 6 MB at most, which is 4.5 MB of such bytes.
    """

    body: Any = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = _JSON
    binary: bool = False


@dataclass(slots=True)
class _Call:
    """What is known of one request while it is served, for its answer and its log line."""

    trace: trace.Trace
    request_id: str
    errors: ErrorFormat
    caller: Caller = field(default_factory=lambda: Caller(Role.ANONYMOUS))
    headers: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


_Answered = Callable[[Route, Event, Mapping[str, str], _Call, bool], Response]


def serve(router: Router, *, limited: bool = True, errors: ErrorFormat = PROBLEM_DOCUMENT) -> Handler:
    """The handler of a router's one route.

    errors: how its failures are said, where its surface has a form of its own (edge/error_formats.py).
    limited: whether the plan's rate limit applies (R4). False for the health endpoints, which have none (350), and
    for functions outside the VPC, which cannot reach Redis and hold their own throttle in DynamoDB.
    """
    route = compile_route(router)

    def handler(event: Event, context: Any) -> Response:
        return _served(_answered, route, event, context, limited, errors)

    handler.route = route  # type: ignore[attr-defined]
    handler.errors = errors  # type: ignore[attr-defined]
    handler.limited = limited  # type: ignore[attr-defined]
    return handler


def refuse(*, limited: bool = True, errors: Surfaces | None = None) -> Handler:
    """The handler of an API's `$default` route: what no other route takes is answered in our words too (RFC 9457).

    It asks nobody for credentials, so its role needs no rights. limited: counted by address, as all that is anonymous.
    errors: the surfaces of this API whose failures have a form of their own.
    """
    surfaces = errors or {}

    def handler(event: Event, context: Any) -> Response:
        route = Route(event["requestContext"]["http"]["method"].upper(), "$default", 404, _no_route)
        return _served(_unknown, route, event, context, limited, format_at(str(event["rawPath"]), surfaces))

    handler.limited = limited  # type: ignore[attr-defined]
    return handler


def _served(
    answered: _Answered, route: Route, event: Event, context: Any, limited: bool, errors: ErrorFormat
) -> Response:
    """What `answered` says, or the problem that it raises; logged and counted."""
    started = time.perf_counter()
    headers = event.get("headers") or {}
    request_id = getattr(context, "aws_request_id", None) or event["requestContext"].get("requestId", "")
    call = _Call(
        trace.continue_trace(
            headers.get("traceparent"),
            headers.get("x-correlation-id"),
            xray=os.environ.get("_X_AMZN_TRACE_ID", ""),
            fallback=request_id,
        ),
        request_id,
        errors,
    )
    token = trace.current.set(call.trace)
    begun = deadline.begin(min(CALL_S, deadline.of_lambda(context)))
    try:
        response = answered(route, event, headers, call, limited)
    except Problem as problem:
        response = _refused(problem, call)
    except Exception:
        logger().exception("request failed", route=route.path, trace_id=call.trace.trace_id, request_id=request_id)
        response = _refused(problems.Fault(f"Quote {request_id} when you report this."), call)
    finally:
        deadline.end(begun)
        trace.current.reset(token)
    _note(route, event, call, response["statusCode"], time.perf_counter() - started)
    return response


def _unknown(route: Route, event: Event, headers: Mapping[str, str], call: _Call, limited: bool) -> Response:
    call.caller = Caller(Role.ANONYMOUS, address=viewer_address(event, headers))
    path = str(event["rawPath"])
    methods = known_paths.methods_at(path)
    allow = ", ".join(methods)
    # API Gateway sends preflights to a `$default` route and adds the CORS headers to whatever the answer is; browsers
    # take only an answer of success. Not counted: the request that it asks for will be.
    if route.method == "OPTIONS" and (methods or "access-control-request-method" in headers):
        return _response(204, None, _JSON, call, {"allow": allow} if allow else {})
    if limited:
        _count(call.caller, call)
    if methods and route.method not in methods:
        call.headers["allow"] = allow
        raise problems.MethodNotAllowed(f"{path} takes {allow}.")
    raise problems.NoSuchRoute(f"Nothing is served at {path}.")


def _no_route() -> None:
    """What a refused request would have called."""


def _answered(route: Route, event: Event, headers: Mapping[str, str], call: _Call, limited: bool) -> Response:
    try:
        # A route that neither asks who calls nor counts calls does not need the means to find out, and is open to who
        # sends an old credential along (a login, say).
        if limited or route.rules:
            caller = identify(event, headers)
        else:
            caller = Caller(Role.ANONYMOUS, address=viewer_address(event, headers))
        call.caller = caller
    except Unauthenticated:
        if limited:  # guessing credentials is counted by address, like all that is anonymous
            _count(Caller(Role.ANONYMOUS, address=viewer_address(event, headers)), call)
        raise
    for _, rule in route.rules:
        rule(caller)
    if limited:
        _count(caller, call)
    # The path as asked, not its template: a key used for one thing says nothing of the same request for another.
    exchange = Exchange(f"{route.method} {event.get('rawPath') or route.path}", headers, caller, raw_body(event))
    arguments = route.arguments(event, exchange)
    for name, _ in route.rules:
        arguments[name] = caller
    result = route.function(**arguments)
    answer = result if isinstance(result, Answer) else Answer(result)
    status = answer.status or (204 if answer.body is None else route.status)
    return _response(status, answer.body, answer.content_type, call, answer.headers, binary=answer.binary)


def _count(caller: Caller, call: _Call) -> None:
    decision = rate_limits.limiter().check(caller)
    call.headers.update(rate_limits.headers(decision))
    if not decision.allowed:
        raise TooManyRequests(
            f"The plan {caller.plan} allows {decision.limit} requests a second.", retry_after=decision.retry_after_s
        )


def _response(
    status: int, body: Any, content_type: str, call: _Call, headers: dict[str, str], *, binary: bool = False
) -> Response:
    text: str
    if binary:
        text = b64encode(body).decode()
    elif body is None:
        text = ""
    elif isinstance(body, bytes):
        text = body.decode()
    elif isinstance(body, str):
        text = body
    elif isinstance(body, BaseModel):
        text = body.model_dump_json(by_alias=True)
    else:
        text = orjson.dumps(body, default=_plain).decode()
    return {
        "statusCode": status,
        "headers": {
            "content-type": content_type,
            "cache-control": "no-store",
            "x-request-id": call.request_id,
            "x-correlation-id": call.trace.correlation_id,
            "traceparent": call.trace.traceparent,
        }
        | call.headers
        | headers,
        "body": text,
        "isBase64Encoded": binary,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _refused(problem: Problem, call: _Call) -> Response:
    status = call.errors.status_of(problem)
    call.problem = problem.code
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(max(1, -int(-problem.retry_after // 1)))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    body = call.errors.document(problem, status=status, instance=call.request_id)
    return _response(status, body, call.errors.content_type, call, headers)


def _note(route: Route, event: Event, call: _Call, status: int, seconds: float) -> None:
    caller = call.caller
    line = {
        "method": route.method,
        "route": route.path,
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
        "trace_id": call.trace.trace_id,
        "correlation_id": call.trace.correlation_id,
        "request_id": call.request_id,
        "caller": caller.role.value,
        "subject": caller.subject,
    }
    if call.problem:
        line["problem"] = call.problem
    line |= metrics.emf(status, time.time_ns() // 1_000_000)
    logger().info("request", extra=line)
    metrics.count_request(route.path, route.method, status, seconds)
