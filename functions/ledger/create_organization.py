"""POST /api/v1/organizations"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.organizations.requests import OrganizationRequest
from gpubroker.ledger.organizations.views import OrganizationView

router = Router()


@router.post(
    "/api/v1/organizations",
    tags=["accounts"],
    summary="Make an organisation with an account of its own",
    status_code=201,
)
def create_organization(
    wanted: Annotated[OrganizationRequest, Body()],
    caller: Annotated[Caller, Depends(person_with("accounts:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[OrganizationView]:
    made = composition.organization_desk().create(caller, wanted, idempotency)
    return Answer(made, status=201, headers={"location": f"/api/v1/organizations/{made.org_id}"})


handler = serve(router)
