"""GET /api/management/integration/economics"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import economics as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.economics.desk import EconomicsQuery, EconomicsView

router = Router()


@router.get(
    "/api/management/integration/economics",
    tags=["management"],
    summary="The platform's economy: volume, fees, money in and out, payers and hours, by day or month",
)
def get_economics(
    wanted: Annotated[EconomicsQuery, Query()], caller: Annotated[Caller, Depends(admin)]
) -> EconomicsView:
    return composition.economics_desk().report(wanted)


handler = serve(router, errors=SUCCESS_FLAG)
