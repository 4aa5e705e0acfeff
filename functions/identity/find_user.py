"""GET /api/v2/admin/users?email="""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import administration
from gpubroker.identity.views import UserView

router = Router()


@router.get("/api/v2/admin/users", tags=["administration"], summary="The user with an e-mail address")
def find_user(
    caller: Annotated[Caller, Depends(admin)], email: Annotated[str, Query(min_length=3, max_length=254)]
) -> UserView:
    return administration.user_with_email(email)


handler = serve(router, limited=False)
