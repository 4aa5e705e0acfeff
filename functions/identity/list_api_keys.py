"""GET /api/v2/auth/api-keys"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import api_keys
from gpubroker.identity.views import ApiKeyPage
from gpubroker.kernel.time import utc_now

router = Router()


_QUERY = "api keys, newest first"


@router.get("/api/v2/auth/api-keys", tags=["identity"], summary="One's API keys, newest first")
def list_api_keys(
    caller: Annotated[Caller, Depends(scoped("keys:manage"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> ApiKeyPage:
    after = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    items, position = api_keys.page(caller, limit=limit, after=after, now=utc_now())
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return ApiKeyPage(items=items, next_cursor=onward)


handler = serve(router, limited=False)
