"""GET /api/v1/organizations/{org_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.ledger.organizations.views import OrganizationView

router = Router()


@router.get(
    "/api/v1/organizations/<org_id>",
    tags=["accounts"],
    summary="An organisation, with its budget and what counts against it",
)
def get_organization(
    org_id: Annotated[str, Path(max_length=200)],
    caller: Annotated[Caller, Depends(person_with("accounts:read"))],
) -> OrganizationView:
    return composition.organization_desk().organization_of(caller, org_id)


handler = serve(router)
