"""POST /api/v2/auth/service-token"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.edge.caller import viewer
from gpubroker.edge.http import serve
from gpubroker.identity.signing import signing_keys
from gpubroker.identity.use_cases import services
from gpubroker.identity.views import ServiceTokenRequest, ServiceTokenView
from gpubroker.kernel.time import utc_now

router = Router()


@router.post(
    "/api/v2/auth/service-token", tags=["identity"], summary="A long-lived token for a service id and its secret"
)
def issue_service_token(
    given: Annotated[ServiceTokenRequest, Body()], address: Annotated[str, Depends(viewer)]
) -> ServiceTokenView:
    return services.issue_token(given, address=address, keys=signing_keys(), now=utc_now())


handler = serve(router, limited=False)
