"""POST /api/v2/providers/stream/tickets"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.delivery.requests import TicketView
from gpubroker.delivery.sse.tickets import TICKET_SECONDS, Tickets
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import Answer, serve

router = Router()
STREAM = "/api/v2/providers/stream"


@router.post(
    f"{STREAM}/tickets",
    tags=["streams"],
    summary="A ticket for an EventSource, which sends no headers",
    status_code=201,
)
def create_stream_ticket(caller: Annotated[Caller, Depends(signed_in)]) -> Answer[TicketView]:
    ticket = Tickets().sell(caller)
    view = TicketView(ticket=ticket, expires_in=TICKET_SECONDS, url=f"{STREAM}?ticket={ticket}")
    return Answer(view, status=201)


handler = serve(router)
