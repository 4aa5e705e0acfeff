"""GET /api/v2/auth/service-accounts"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import services
from gpubroker.identity.views import ServiceAccountPage

router = Router()


_QUERY = "service accounts, by id"


@router.get("/api/v2/auth/service-accounts", tags=["identity"], summary="Service and agent accounts, by id")
def list_service_accounts(
    caller: Annotated[Caller, Depends(admin)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> ServiceAccountPage:
    after = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    items, position = services.page(limit=limit, after=after)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return ServiceAccountPage(items=items, next_cursor=onward)


handler = serve(router, limited=False)
