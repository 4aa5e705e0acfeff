"""DELETE /api/v2/alerts/{alert_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import alerts as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.delete("/api/v2/alerts/<alert_id>", tags=["alerts"], summary="Forget an alert", status_code=204)
def delete_alert(
    alert_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("alerts:write"))]
) -> None:
    composition.alert_desk().remove(caller, alert_id)


handler = serve(router)
