"""GET /api/v1/organizations/{org_id}/members"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import accounts as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.ledger.organizations.views import MemberPage

router = Router()


@router.get(
    "/api/v1/organizations/<org_id>/members",
    tags=["accounts"],
    summary="Members of an organisation, with their budgets",
)
def list_members(
    org_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(person_with("accounts:read"))],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> MemberPage:
    query = f"members of {org_id}"
    position = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, onward = composition.organization_desk().members_of(caller, org_id, limit, position)
    following = cursors.encode([onward], caller=caller, query=query) if onward else None
    return page.model_copy(update={"next_cursor": following})


handler = serve(router)
