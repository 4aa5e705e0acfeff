"""PATCH /api/v1/organizations/{org_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.ledger.organizations.requests import OrganizationChange
from gpubroker.ledger.organizations.views import OrganizationView

router = Router()


@router.patch(
    "/api/v1/organizations/<org_id>", tags=["accounts"], summary="Give an organisation another name or budget"
)
def change_organization(
    org_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[OrganizationChange, Body()],
    caller: Annotated[Caller, Depends(person_with("accounts:write"))],
) -> OrganizationView:
    return composition.organization_desk().change(caller, org_id, wanted)


handler = serve(router)
