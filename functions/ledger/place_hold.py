"""POST /internal/v1/ledger/holds"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.postings import HoldRequest
from gpubroker.ledger.desk.views import HoldView

router = Router()


@router.post("/internal/v1/ledger/holds", tags=["internal"], summary="Hold money of an account", status_code=201)
def place_hold(
    wanted: Annotated[HoldRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("internal:ledger"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> HoldView:
    return composition.posting_desk().hold(wanted, idempotency)


handler = serve(router)
