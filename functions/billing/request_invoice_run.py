"""POST /api/v1/billing/invoices/run"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.billing.invoices.requests import RunRequest
from gpubroker.billing.invoices.views import RunView
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/api/v1/billing/invoices/run",
    tags=["billing"],
    summary="Make the invoices of a month that are not there yet; those that are stay as they are",
    status_code=202,
)
def request_invoice_run(
    wanted: Annotated[RunRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[RunView]:
    return Answer(composition.admin_desk().run(caller, wanted, idempotency), 202)


handler = serve(router)
