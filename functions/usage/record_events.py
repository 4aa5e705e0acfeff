"""POST /api/v1/usage/events"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import usage as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.usage.requests import UsageEvents
from gpubroker.usage.views import EventsTakenView

router = Router()


@router.post("/api/v1/usage/events", tags=["usage"], summary="What instances used: one event, or many", status_code=202)
def record_events(
    sent: Annotated[UsageEvents, Body()], caller: Annotated[Caller, Depends(scoped("usage:write"))]
) -> EventsTakenView:
    """All of a call or none of it: when an event is wrong, `rejected` says which and why, and nothing was taken.

    Sending the same again is harmless. An event is known by its `event_id`, or else by its instance and period.
    """
    return composition.usage_ingest().take(caller, sent)


handler = serve(router, limited=False)
