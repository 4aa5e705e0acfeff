"""POST /api/v1/billing/accounts/{account_id}/credits"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.accounts import ACCOUNT_PATTERN
from gpubroker.billing.credits.requests import CreditRequest
from gpubroker.billing.credits.views import CreditView
from gpubroker.composition import pricing as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/accounts/<account_id>/credits", tags=["billing"], summary="Give an account credit", status_code=201
)
def grant_credit(
    account_id: Annotated[str, Path(pattern=ACCOUNT_PATTERN)],
    wanted: Annotated[CreditRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> Answer[CreditView]:
    return Answer(composition.credit_desk().grant(caller, account_id, wanted, idempotency), 201)


handler = serve(router)
