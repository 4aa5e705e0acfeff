"""GET /api/management/integration/payouts/files/{file_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.views import BankFileView
from gpubroker.management.wire import Id

router = Router()


@router.get(
    "/api/management/integration/payouts/files/<file_id>",
    tags=["management"],
    summary="A bank file and the payouts in it",
)
def get_payout_file(file_id: Annotated[Id, Path()], caller: Annotated[Caller, Depends(admin)]) -> BankFileView:
    return composition.payout_desk().file(file_id)


handler = serve(router, errors=SUCCESS_FLAG)
