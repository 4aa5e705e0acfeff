"""GET /api/v2/admin/users/{user_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import administration
from gpubroker.identity.views import UserView

router = Router()


@router.get("/api/v2/admin/users/<user_id>", tags=["administration"], summary="One user")
def get_user(user_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(admin)]) -> UserView:
    return administration.user_of(user_id)


handler = serve(router, limited=False)
