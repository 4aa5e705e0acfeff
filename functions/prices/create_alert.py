"""POST /api/v2/alerts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import alerts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.prices.alerts.requests import AlertRequest
from gpubroker.prices.alerts.views import AlertView

router = Router()


@router.post("/api/v2/alerts", tags=["alerts"], summary="Be told when a GPU costs so much or less", status_code=201)
def create_alert(
    wanted: Annotated[AlertRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("alerts:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[AlertView]:
    alert = composition.alert_desk().create(caller, wanted, idempotency)
    return Answer(alert, 201, {"location": f"/api/v2/alerts/{alert.alert_id}"})


handler = serve(router)
