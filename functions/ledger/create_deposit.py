"""POST /api/v1/accounts/{account_id}/deposits"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.funding.requests import DepositRequest
from gpubroker.ledger.funding.views import DepositView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/deposits", tags=["accounts"], summary="Ask for money to come in", status_code=201
)
def create_deposit(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[DepositRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("accounts:write"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> Answer[DepositView]:
    deposit = composition.deposit_desk().request(caller, account_id, wanted, idempotency)
    location = f"/api/v1/accounts/{deposit.account_id}/deposits/{deposit.deposit_id}"
    return Answer(deposit, status=201, headers={"location": location})


handler = serve(router)
