"""GET /api/v1/usage/users/{user_id}/current"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import usage as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.usage.views import CurrentUserView

router = Router()


@router.get("/api/v1/usage/users/<user_id>/current", tags=["usage"], summary="What all instances of a user use now")
def get_user_usage(
    user_id: Annotated[str, Path()],
    caller: Annotated[Caller, Depends(scoped("usage:read"))],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> CurrentUserView:
    return composition.usage_current().of_user(caller, user_id, limit)


handler = serve(router)
