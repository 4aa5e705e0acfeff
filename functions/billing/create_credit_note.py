"""POST /api/v1/billing/invoices/{invoice_id}/credit-notes"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.billing.invoices.requests import CreditNoteRequest
from gpubroker.billing.invoices.views import CreditNoteView
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import required_idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/invoices/<invoice_id>/credit-notes",
    tags=["billing"],
    summary="Give back some of an invoice: off what is due, the rest to the balance",
    status_code=201,
)
def create_credit_note(
    invoice_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[CreditNoteRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency, Depends(required_idempotency_key)],
) -> Answer[CreditNoteView]:
    return Answer(composition.admin_desk().credit(caller, invoice_id, wanted, idempotency), 201)


handler = serve(router)
