"""POST /api/v2/providers/config/integrations"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import utc_now
from gpubroker.offers.integrations import use_cases
from gpubroker.offers.integrations.requests import IntegrationRequest
from gpubroker.offers.integrations.views import IntegrationView

router = Router()


@router.post(
    "/api/v2/providers/config/integrations",
    tags=["integrations"],
    summary="Save a key of one's own at a provider",
    status_code=201,
)
def save_integration(
    wanted: Annotated[IntegrationRequest, Body()],
    caller: Annotated[Caller, Depends(scoped("integrations:manage"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[IntegrationView]:
    view, fresh = use_cases.save(caller, wanted, idempotency, utc_now())
    return Answer(view, 201 if fresh else 200)


handler = serve(router, limited=False)
