"""GET /api/v1/billing/invoices/{invoice_id}/credit-notes"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.billing.invoices.views import CreditNoteList
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get(
    "/api/v1/billing/invoices/<invoice_id>/credit-notes", tags=["billing"], summary="What was given back of an invoice"
)
def list_credit_notes(
    invoice_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("billing:read"))]
) -> CreditNoteList:
    return composition.invoice_desk().notes(caller, invoice_id)


handler = serve(router)
