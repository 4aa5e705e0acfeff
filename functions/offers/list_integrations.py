"""GET /api/v2/providers/config/integrations"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.kernel.time import utc_now
from gpubroker.offers.integrations import store
from gpubroker.offers.integrations.views import IntegrationsView

router = Router()


@router.get(
    "/api/v2/providers/config/integrations", tags=["integrations"], summary="One's own keys at providers, without them"
)
def list_integrations(caller: Annotated[Caller, Depends(scoped("integrations:manage"))]) -> IntegrationsView:
    return IntegrationsView.of(store.all_of(caller.tenant), utc_now().timestamp())


handler = serve(router)
