"""GET /api/v1/organizations"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import accounts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.ledger.organizations.views import OrganizationPage

router = Router()
_QUERY = "organizations, newest first"


@router.get(
    "/api/v1/organizations", tags=["accounts"], summary="The organisations that one is a member of, the newest first"
)
def list_organizations(
    caller: Annotated[Caller, Depends(person_with("accounts:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> OrganizationPage:
    position = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, onward = composition.organization_desk().page_of(caller, limit, position)
    following = cursors.encode([onward], caller=caller, query=_QUERY) if onward else None
    return page.model_copy(update={"next_cursor": following})


handler = serve(router)
