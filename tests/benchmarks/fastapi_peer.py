"""The same route with the same rules, as one would write it in FastAPI and put behind Mangum.

Same verifier, limiter, request model, use case, headers, metric and log line; only the framework differs.
"""

import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from mangum import Mangum

from gpubroker import composition
from gpubroker.edge import cursors, metrics, rate_limits
from gpubroker.edge import market as live
from gpubroker.edge.log import logger
from gpubroker.kernel import trace
from gpubroker.kernel.caller import Caller
from gpubroker.offers import listing
from gpubroker.offers.requests import PageFields

ROUTE = "/api/v2/providers"


def caller_of(request: Request) -> Caller:
    host = request.client.host if request.client else ""
    caller: Caller = composition.verifier().caller_of(request.headers, host, time.time())
    return caller


def limited(request: Request, response: Response, caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    decision = rate_limits.limiter().check(caller)
    if not decision.allowed:
        raise HTTPException(429, headers=rate_limits.headers(decision))
    request.state.headers = rate_limits.headers(decision)
    return caller


app = FastAPI()


@app.middleware("http")
async def noted(request: Request, call_next: Any) -> Response:
    started = time.perf_counter()
    context = request.scope["aws.context"]
    span = trace.continue_trace(request.headers.get("traceparent"), None, fallback=context.aws_request_id)
    response: Response = await call_next(request)
    response.headers["x-request-id"] = context.aws_request_id
    response.headers["traceparent"] = span.traceparent
    response.headers["x-correlation-id"] = span.correlation_id
    seconds = time.perf_counter() - started
    logger().info(
        "request",
        extra={
            "method": request.method,
            "route": ROUTE,
            "status": response.status_code,
            "duration_ms": round(seconds * 1000, 3),
            "trace_id": span.trace_id,
            "correlation_id": span.correlation_id,
            "request_id": context.aws_request_id,
            **metrics.emf(response.status_code, int(time.time() * 1000)),
        },
    )
    metrics.count_request(ROUTE, request.method, response.status_code, seconds)
    return response


@app.get(ROUTE)
async def list_offers(
    request: Request, wanted: Annotated[PageFields, Query()], caller: Annotated[Caller, Depends(limited)]
) -> Response:
    body = listing.page(live.market(), wanted, caller, cursors, live.now())
    headers = {"cache-control": "no-store"} | request.state.headers
    return Response(body, media_type="application/json", headers=headers)


handler = Mangum(app, lifespan="off")
