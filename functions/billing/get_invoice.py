"""GET /api/v1/billing/invoices/{invoice_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.billing.invoices.views import InvoiceView
from gpubroker.composition import invoices as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/invoices/<invoice_id>", tags=["billing"], summary="An invoice, with a page of its lines")
def get_invoice(
    invoice_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> InvoiceView:
    query = f"lines of {invoice_id}"
    start = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else 1
    view, position = composition.invoice_desk().view(caller, invoice_id, limit, start)
    onward = cursors.encode([position], caller=caller, query=query) if position else None
    return view.model_copy(update={"next_cursor": onward})


handler = serve(router)
