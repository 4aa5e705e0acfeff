"""GET /api/v1/billing/invoices/{invoice_id}/lines/{line}/events"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.invoices.views import LineEventsView
from gpubroker.composition import invoices as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get(
    "/api/v1/billing/invoices/<invoice_id>/lines/<line>/events",
    tags=["billing"],
    summary="The events that a line is made of, a day of hours at a time",
)
def list_line_events(
    invoice_id: Annotated[str, Path(max_length=64)],
    line: Annotated[int, Path(ge=1, le=1_000_000)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> LineEventsView:
    query = f"events of {invoice_id}/{line}"
    from_hour = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else 0
    view, position = composition.invoice_desk().events(caller, invoice_id, line, from_hour)
    onward = cursors.encode([position], caller=caller, query=query) if position is not None else None
    return view.model_copy(update={"next_cursor": onward})


handler = serve(router)
