"""GET /api/v2/auth/me"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve
from gpubroker.identity.use_cases import introspection
from gpubroker.identity.views import MeView

router = Router()


@router.get("/api/v2/auth/me", tags=["identity"], summary="Who this credential belongs to and what it may do")
def get_me(caller: Annotated[Caller, Depends(signed_in)]) -> MeView:
    return introspection.me(caller)


handler = serve(router, limited=False)
