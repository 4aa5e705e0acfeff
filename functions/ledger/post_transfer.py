"""POST /internal/v1/ledger/transfers"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.desk.postings import TransferRequest
from gpubroker.ledger.desk.views import TransferView

router = Router()


@router.post(
    "/internal/v1/ledger/transfers",
    tags=["internal"],
    summary="Move money between accounts, all legs or none",
    status_code=201,
)
def post_transfer(
    wanted: Annotated[TransferRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("internal:ledger"))],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> TransferView:
    return composition.posting_desk().transfer(wanted, idempotency)


handler = serve(router)
