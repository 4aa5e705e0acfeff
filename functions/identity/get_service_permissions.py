"""GET /internal/v1/auth/service-permissions/{service_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import introspection
from gpubroker.identity.views import ServicePermissionsView

router = Router()


@router.get(
    "/internal/v1/auth/service-permissions/<service_id>",
    tags=["internal"],
    summary="What a service may call and how often",
)
def get_service_permissions(
    service_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("internal:auth"))],
) -> ServicePermissionsView:
    return introspection.service_permissions(service_id)


handler = serve(router, limited=False)
