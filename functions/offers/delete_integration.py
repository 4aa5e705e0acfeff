"""DELETE /api/v2/providers/config/integrations/{provider}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.kernel.time import utc_now
from gpubroker.offers.integrations import use_cases
from gpubroker.offers.integrations.requests import Slug

router = Router()


@router.delete(
    "/api/v2/providers/config/integrations/<provider>",
    tags=["integrations"],
    summary="Take one's own key at a provider back",
    status_code=204,
)
def delete_integration(
    provider: Annotated[Slug, Path()], caller: Annotated[Caller, Depends(scoped("integrations:manage"))]
) -> None:
    use_cases.remove(caller, provider, utc_now())


handler = serve(router, limited=False)
