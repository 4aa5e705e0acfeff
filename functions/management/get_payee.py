"""GET /api/management/integration/payees/{seller}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import settlement as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.views import PayeeView
from gpubroker.management.wire import Id

router = Router()


@router.get("/api/management/integration/payees/<seller>", tags=["management"], summary="How a seller is paid")
def get_payee(seller: Annotated[Id, Path()], caller: Annotated[Caller, Depends(admin)]) -> PayeeView:
    return composition.payout_desk().payee(seller)


handler = serve(router, errors=SUCCESS_FLAG)
