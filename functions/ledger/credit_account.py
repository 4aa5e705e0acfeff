"""POST /api/v1/accounts/{account_id}/credit"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.requests import CreditRequest
from gpubroker.ledger.desk.views import TransferView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/credit", tags=["administration"], summary="Put money on an account, once for a key"
)
def credit_account(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[CreditRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> TransferView:
    return composition.intervention_desk().credit(caller, account_id, wanted, idempotency)


handler = serve(router)
