"""GET /api/management/integration/orders/{order_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.views import OrderView
from gpubroker.management.wire import Id

router = Router()


@router.get("/api/management/integration/orders/<order_id>", tags=["management"], summary="One order")
def get_order(
    order_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(staff("management:read"))]
) -> OrderView:
    return composition.trade_desk().order(order_id)


handler = serve(router, errors=SUCCESS_FLAG)
