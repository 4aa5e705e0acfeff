"""PATCH /api/v1/organizations/{org_id}/members/{member_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.ledger.organizations.requests import MemberChange
from gpubroker.ledger.organizations.views import MemberView

router = Router()


@router.patch(
    "/api/v1/organizations/<org_id>/members/<member_id>",
    tags=["accounts"],
    summary="Give a member another role or budget",
)
def change_member(
    org_id: Annotated[str, Path(max_length=200)],
    member_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[MemberChange, Body()],
    caller: Annotated[Caller, Depends(person_with("accounts:write"))],
) -> MemberView:
    return composition.organization_desk().change_member(caller, org_id, member_id, wanted)


handler = serve(router)
