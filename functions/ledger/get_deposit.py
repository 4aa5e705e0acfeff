"""GET /api/v1/accounts/{account_id}/deposits/{deposit_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.funding.views import DepositView

router = Router()


@router.get("/api/v1/accounts/<account_id>/deposits/<deposit_id>", tags=["accounts"], summary="A deposit and its state")
def get_deposit(
    account_id: Annotated[str, Path(max_length=200)],
    deposit_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("accounts:read"))],
) -> DepositView:
    return composition.deposit_desk().deposit_of(caller, account_id, deposit_id)


handler = serve(router)
