"""GET /api/v1/usage/users/{user_id}/history"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import usage as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.usage.requests import HistoryFields
from gpubroker.usage.views import HistoryView

router = Router()


@router.get("/api/v1/usage/users/<user_id>/history", tags=["usage"], summary="What all instances of a user used")
def get_user_history(
    user_id: Annotated[str, Path()],
    wanted: Annotated[HistoryFields, Query()],
    caller: Annotated[Caller, Depends(scoped("usage:read"))],
) -> HistoryView:
    return composition.usage_history().of_user(caller, user_id, wanted)


handler = serve(router)
