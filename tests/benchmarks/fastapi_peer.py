"""GET /api/v2/providers as one would write it with FastAPI and Mangum, by the same rules and with the same parts:
the memoised verifier, the limiter, the strict query model, the index, the log line with trace id and metric, the
problem documents. Idiomatic: dependencies for caller and limit, one pure ASGI middleware for the line.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from mangum import Mangum

from gpubroker.edge import cursors, metrics, rate_limits
from gpubroker.edge.address import viewer_address
from gpubroker.edge.log import logger
from gpubroker.edge.market import market, now
from gpubroker.edge.problems import CONTENT_TYPE, document, status_of
from gpubroker.identity.verify import Verifier
from gpubroker.kernel import trace
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import FieldError, Invalid, Problem, TooManyRequests
from gpubroker.offers import listing
from gpubroker.offers.requests import PageFields

ROUTE = "/api/v2/providers"


class OneLine:
    """The trace of a request, and its one log line, around the whole application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = scope["aws.context"].aws_request_id
        now_ = trace.continue_trace(headers.get("traceparent"), headers.get("x-correlation-id"), fallback=request_id)
        scope["state"] = state = {"headers": headers, "request_id": request_id, "trace": now_, "limits": {}}
        status = 500

        async def told(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += [
                    (b"x-request-id", request_id.encode()),
                    (b"x-correlation-id", now_.correlation_id.encode()),
                    (b"traceparent", now_.traceparent.encode()),
                    *((name.encode(), value.encode()) for name, value in state["limits"].items()),
                ]
            await send(message)

        token = trace.current.set(now_)
        try:
            await self.app(scope, receive, told)
        finally:
            trace.current.reset(token)
            seconds = time.perf_counter() - started
            caller = state.get("caller")
            line = {
                "method": scope["method"],
                "route": ROUTE,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                "trace_id": now_.trace_id,
                "correlation_id": now_.correlation_id,
                "request_id": request_id,
                "caller": caller.role.value if caller else "anonymous",
                "subject": caller.subject if caller else "",
            }
            line |= metrics.emf(status, time.time_ns() // 1_000_000)
            logger().info("request", extra=line)
            metrics.count_request(ROUTE, scope["method"], status, seconds)


def application(verifier: Callable[[], Verifier]) -> Mangum:
    """The Lambda handler."""
    app = FastAPI(openapi_url=None)

    async def caller_of(request: Request) -> Caller:
        state = request.scope["state"]
        headers = state["headers"]
        address = viewer_address(request.scope["aws.event"], headers)
        caller = state["caller"] = verifier().caller_of(headers, address, time.time())
        decision = rate_limits.limiter().check(caller)
        state["limits"] = rate_limits.headers(decision)
        if not decision.allowed:
            raise TooManyRequests("Too many requests.", retry_after=decision.retry_after_s)
        return caller

    async def nothing_twice(request: Request) -> None:
        """The query model refuses what it does not know; a parameter given twice it would not notice."""
        seen = set()
        raw = request.scope["query_string"].decode()
        for name, _ in parse_qsl(raw, keep_blank_values=True, max_num_fields=100, errors="strict"):
            if name in seen:
                raise Invalid.of(name, "is given twice")
            seen.add(name)

    @app.get(ROUTE)
    async def list_offers(
        caller: Annotated[Caller, Depends(caller_of)],
        _: Annotated[None, Depends(nothing_twice)],
        wanted: Annotated[PageFields, Query()],
    ) -> Response:
        body = listing.page(market(), wanted, caller, cursors, now())
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    def refused(request: Request, problem: Problem) -> Response:
        status = status_of(problem)
        body = document(problem, status=status, instance=request.scope["state"]["request_id"])
        import orjson

        return Response(orjson.dumps(body), status, media_type=CONTENT_TYPE)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return refused(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        fields = tuple(FieldError(".".join(map(str, one["loc"][1:])), one["msg"]) for one in error.errors())
        return refused(request, Invalid("The query is not valid.", fields=fields))

    return Mangum(OneLine(app), lifespan="off")
