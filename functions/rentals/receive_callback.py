"""POST /api/v2/rentals/callbacks/{token}: an instance, or its provider, says that it has news."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import rentals as composition
from gpubroker.edge.caller import Caller, anyone
from gpubroker.edge.http import Answer, serve
from gpubroker.rentals.views import CallbackView

router = Router()


@router.post(
    "/api/v2/rentals/callbacks/<token>",
    tags=["rentals"],
    summary="Say that an instance has news; the address is given to the instance",
    status_code=202,
)
def receive_callback(token: Annotated[str, Path()], caller: Annotated[Caller, Depends(anyone)]) -> Answer[CallbackView]:
    view = composition.callback_desk().accept(token)
    return Answer(view, status=202 if view.accepted else 200)


handler = serve(router, limited=False)
