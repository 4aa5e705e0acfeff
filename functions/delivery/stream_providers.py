"""GET /api/v2/providers/stream"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from gpubroker.composition import live as composition
from gpubroker.delivery.requests import StreamFields
from gpubroker.delivery.sse.frames import CONTENT_TYPE
from gpubroker.edge.caller import Caller, anyone
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.streams import hold

router = Router()


@router.get(
    "/api/v2/providers/stream",
    tags=["streams"],
    summary="Prices, health and availability as server-sent events",
    responses={
        200: {
            "description": "Everything since Last-Event-ID, and when to come back.",
            "content": {CONTENT_TYPE: {"schema": {"type": "string"}}},
        },
        204: {"description": "The session of the ticket is over; a browser does not come back."},
    },
)
def stream_providers(
    wanted: Annotated[StreamFields, Query()],
    caller: Annotated[Caller, Depends(anyone)],
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Answer:
    text = composition.streams(hold).read(caller, wanted, last_event_id).text
    return Answer(None, status=204) if text is None else Answer(text, content_type=CONTENT_TYPE)


handler = serve(router, limited=False)
