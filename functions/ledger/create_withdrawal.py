"""POST /api/v1/accounts/{account_id}/withdrawals"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.funding.requests import WithdrawalRequest
from gpubroker.ledger.funding.views import WithdrawalView

router = Router()


@router.post(
    "/api/v1/accounts/<account_id>/withdrawals",
    tags=["accounts"],
    summary="Ask for money to leave; it is held at once",
    status_code=201,
)
def create_withdrawal(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[WithdrawalRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("accounts:write"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> Answer[WithdrawalView]:
    withdrawal = composition.withdrawal_desk().request(caller, account_id, wanted, idempotency)
    location = f"/api/v1/accounts/{withdrawal.account_id}/withdrawals/{withdrawal.withdrawal_id}"
    return Answer(withdrawal, status=201, headers={"location": location})


handler = serve(router)
