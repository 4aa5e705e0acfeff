"""PUT /api/v2/admin/users/{user_id}/status"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import administration
from gpubroker.identity.views import StatusChoice, StatusView

router = Router()


@router.put(
    "/api/v2/admin/users/<user_id>/status",
    tags=["administration"],
    summary="Disable or enable a user with all their credentials",
)
def change_user_status(
    user_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[StatusChoice, Body()],
    caller: Annotated[Caller, Depends(admin)],
) -> StatusView:
    return administration.change_status(caller, user_id, disabled=wanted.status == "disabled")


handler = serve(router, limited=False)
