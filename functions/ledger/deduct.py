"""POST /api/v1/accounts/{account_id}/deduct"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, service_with
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.requests import DeductRequest
from gpubroker.ledger.desk.views import DeductionView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/deduct", tags=["accounts"], summary="Take credits for what was used, once for a key"
)
def deduct(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[DeductRequest, Body()],
    caller: Annotated[Caller, Depends(service_with("accounts:deduct"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> DeductionView:
    return composition.account_desk().deduct(caller, account_id, wanted, idempotency)


handler = serve(router)
