"""POST /api/v1/accounts/{account_id}/close"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.requests import InterventionRequest
from gpubroker.ledger.desk.views import AccountView

router = Router()


@router.post("/api/v1/accounts/<account_id>/close", tags=["administration"], summary="Close an empty account for good")
def close_account(
    account_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[InterventionRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> AccountView:
    return composition.intervention_desk().close(caller, account_id, wanted, idempotency)


handler = serve(router)
