"""POST /internal/v1/auth/validate-token"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import identity as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import introspection
from gpubroker.identity.views import TokenRequest, ValidationView

router = Router()


@router.post("/internal/v1/auth/validate-token", tags=["internal"], summary="Whose token or key this is")
def validate_token(
    given: Annotated[TokenRequest, Body()], caller: Annotated[Caller, Depends(scoped("internal:auth"))]
) -> ValidationView:
    return introspection.validate(given.token, verifier=composition.verifier(), address=caller.address)


handler = serve(router, limited=False)
