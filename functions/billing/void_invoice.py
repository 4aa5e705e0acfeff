"""POST /api/v1/billing/invoices/{invoice_id}/void"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.invoices.requests import VoidRequest
from gpubroker.billing.invoices.views import InvoiceSummary
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve

router = Router()


@router.post(
    "/api/v1/billing/invoices/<invoice_id>/void",
    tags=["billing"],
    summary="Give up an invoice of which nothing was paid; doing it twice is doing it once",
)
def void_invoice(
    invoice_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[VoidRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
) -> InvoiceSummary:
    return composition.admin_desk().void(caller, invoice_id, wanted)


handler = serve(router)
