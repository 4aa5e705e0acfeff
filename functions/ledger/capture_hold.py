"""POST /internal/v1/ledger/holds/{hold_id}/capture"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.postings import CaptureRequest
from gpubroker.ledger.desk.views import TransferView

router = Router()


@router.post(
    "/internal/v1/ledger/holds/<hold_id>/capture",
    tags=["internal"],
    summary="Post what is held, or a part, and release the rest",
)
def capture_hold(
    hold_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[CaptureRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("internal:ledger"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> TransferView:
    return composition.posting_desk().capture(hold_id, wanted, idempotency)


handler = serve(router)
