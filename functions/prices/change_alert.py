"""PATCH /api/v2/alerts/{alert_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import alerts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.prices.alerts.requests import AlertChange
from gpubroker.prices.alerts.views import AlertView

router = Router()


@router.patch("/api/v2/alerts/<alert_id>", tags=["alerts"], summary="Pause, resume or change an alert")
def change_alert(
    alert_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[AlertChange, Body()],
    caller: Annotated[Caller, Depends(scoped("alerts:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> AlertView:
    return composition.alert_desk().change(caller, alert_id, wanted, idempotency)


handler = serve(router)
