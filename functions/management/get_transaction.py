"""GET /api/management/integration/transactions/{transaction_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.views import TransactionView
from gpubroker.management.wire import Id

router = Router()


@router.get("/api/management/integration/transactions/<transaction_id>", tags=["management"], summary="One transaction")
def get_transaction(
    transaction_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(staff("management:read"))]
) -> TransactionView:
    return composition.trade_desk().transaction(transaction_id)


handler = serve(router, errors=SUCCESS_FLAG)
