"""POST /api/management/integration/transactions/update"""

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
from gpubroker.management.requests import TransactionUpdateRequest
from gpubroker.management.views import Done

router = Router()


@router.post(
    "/api/management/integration/transactions/update", tags=["management"], summary="The state of a transaction"
)
def update_transaction(
    wanted: Annotated[TransactionUpdateRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    """A transaction belongs to an order of the same user, and its fees are those of that order. It is settled by
    settlement alone. A repeated update changes nothing."""
    return composition.trade_desk().tell_transaction(wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
