"""DELETE /api/v1/organizations/{org_id}/members/{member_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v1/organizations/<org_id>/members/<member_id>",
    tags=["accounts"],
    summary="Take a member out of an organisation, or leave it",
    status_code=204,
)
def remove_member(
    org_id: Annotated[str, Path(max_length=200)],
    member_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(person_with("accounts:write"))],
) -> None:
    composition.organization_desk().remove(caller, org_id, member_id)


handler = serve(router)
