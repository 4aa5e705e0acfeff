"""GET /api/v1/billing/invoices/{invoice_id}/pdf"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve

router = Router()


@router.get(
    "/api/v1/billing/invoices/<invoice_id>/pdf", tags=["billing"], summary="An invoice as PDF, every line of it"
)
def get_invoice_pdf(
    invoice_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(scoped("billing:read"))]
) -> Answer[bytes]:
    file = composition.invoice_desk().pdf(caller, invoice_id)
    headers = {"content-disposition": f'inline; filename="{file.name}"'}
    return Answer(file.body, headers=headers, content_type="application/pdf", binary=True)


handler = serve(router)
