"""GET /api/v2/alerts/{alert_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import alerts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.prices.alerts.views import AlertView

router = Router()


@router.get("/api/v2/alerts/<alert_id>", tags=["alerts"], summary="One alert, and what fired it last")
def get_alert(
    alert_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("alerts:read"))]
) -> AlertView:
    return composition.alert_desk().alert_of(caller, alert_id)


handler = serve(router)
