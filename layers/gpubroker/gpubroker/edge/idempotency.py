"""`Idempotency-Key` as a dependency of a route (draft-ietf-httpapi-idempotency-key-header, DESIGN §3).

    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)]

Optional in general, `required_idempotency_key` where money moves. The promise is kept in storage, in the writer's
own transaction; here the header is only read.
"""

import re
from collections.abc import Callable

from aws_lambda_powertools.event_handler.request import Request

from gpubroker.edge.caller import identify
from gpubroker.edge.inputs import raw_body
from gpubroker.edge.route import Exchange
from gpubroker.kernel.errors import Malformed
from gpubroker.kernel.idempotency import Idempotency

_KEY = re.compile(r'^"?([\x21\x23-\x7e]{1,255})"?$')
_HEADER = "idempotency-key"


def _of(exchange: Exchange, *, required: bool) -> Idempotency | None:
    given = exchange.headers.get(_HEADER)
    if given is None:
        if required:
            raise Malformed("The header Idempotency-Key is required here.")
        return None
    match = _KEY.match(given.strip())
    if match is None:
        raise Malformed("Idempotency-Key takes 1 to 255 visible ASCII characters.")
    return Idempotency.of(match[1], tenant=exchange.caller.tenant, route=exchange.route, body=exchange.body)


def _dependency(*, required: bool) -> Callable[[Request], Idempotency | None]:
    def of_exchange(exchange: Exchange) -> Idempotency | None:
        return _of(exchange, required=required)

    def dependency(request: Request) -> Idempotency | None:
        event = request.resolved_event.raw_event
        caller = identify(event, request.headers)
        return of_exchange(
            Exchange(f"{request.method} {request.resolved_event.path}", request.headers, caller, raw_body(event))
        )

    dependency.of_exchange = of_exchange  # type: ignore[attr-defined]
    return dependency


idempotency_key = _dependency(required=False)
required_idempotency_key = _dependency(required=True)
