"""POST /api/management/integration/orders/update"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.requests import OrderUpdateRequest
from gpubroker.management.views import Done

router = Router()


@router.post("/api/management/integration/orders/update", tags=["management"], summary="The state of an order")
def update_order(
    wanted: Annotated[OrderUpdateRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    """An order moves forward or to an end, never back; amount and seller may change while it is pending. A repeated
    update changes nothing. The fees in force when an order is first heard of stay its own."""
    return composition.trade_desk().tell_order(wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
