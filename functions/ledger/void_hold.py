"""POST /internal/v1/ledger/holds/{hold_id}/void"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.desk.views import HoldView

router = Router()


@router.post("/internal/v1/ledger/holds/<hold_id>/void", tags=["internal"], summary="Release a hold")
def void_hold(
    hold_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("internal:ledger"))],
) -> HoldView:
    return composition.posting_desk().void(hold_id)


handler = serve(router)
