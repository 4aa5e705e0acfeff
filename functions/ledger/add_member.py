"""POST /api/v1/organizations/{org_id}/members"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import accounts as composition
from gpubroker.edge.caller import Caller, person_with
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.organizations.requests import MemberRequest
from gpubroker.ledger.organizations.views import MemberView

router = Router()


@router.post(
    "/api/v1/organizations/<org_id>/members",
    tags=["accounts"],
    summary="Take a user into an organisation",
    status_code=201,
)
def add_member(
    org_id: Annotated[str, Path(max_length=200)],
    wanted: Annotated[MemberRequest, Body()],
    caller: Annotated[Caller, Depends(person_with("accounts:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> MemberView:
    return composition.organization_desk().add(caller, org_id, wanted, idempotency)


handler = serve(router)
