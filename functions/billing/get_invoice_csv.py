"""GET /api/v1/billing/invoices/{invoice_id}/csv"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from gpubroker.billing.invoices.sheet import CONTENT_TYPE
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import Answer, serve

router = Router()


@router.get(
    "/api/v1/billing/invoices/<invoice_id>/csv", tags=["billing"], summary="An invoice's lines as CSV, exact amounts"
)
def get_invoice_csv(
    invoice_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    accept_encoding: Annotated[str | None, Header(alias="accept-encoding", max_length=256)] = None,
) -> Answer[bytes]:
    file = composition.invoice_desk().csv(caller, invoice_id, gzipped="gzip" in (accept_encoding or ""))
    headers = {"content-disposition": f'attachment; filename="{file.name}"', "vary": "accept-encoding"}
    headers |= {"content-encoding": file.encoding} if file.encoding else {}
    return Answer(file.body, headers=headers, content_type=CONTENT_TYPE, binary=True)


handler = serve(router)
