"""PUT /api/management/integration/fees/config"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.requests import FeeChangeRequest
from gpubroker.management.views import FeeVersionView

router = Router()


@router.put(
    "/api/management/integration/fees/config", tags=["management"], summary="Change the fees, now or from a moment on"
)
def change_fees(
    wanted: Annotated[FeeChangeRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> FeeVersionView:
    return composition.fee_desk().change(caller, wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
