"""GET /internal/v1/ledger/transfers/{transfer_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.ledger.desk.views import TransferView

router = Router()


@router.get("/internal/v1/ledger/transfers/<transfer_id>", tags=["internal"], summary="A transfer as it was posted")
def get_transfer(
    transfer_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(scoped("internal:ledger"))],
) -> TransferView:
    return composition.posting_desk().transfer_of(transfer_id)


handler = serve(router)
