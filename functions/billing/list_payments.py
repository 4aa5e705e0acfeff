"""GET /api/v1/billing/payments"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.billing.payments.views import PaymentPage
from gpubroker.composition import payments as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get("/api/v1/billing/payments", tags=["billing"], summary="An account's payments and what became of them")
def list_payments(
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    account_id: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> PaymentPage:
    query = f"payments of {account_id}"
    after = cursors.decode(cursor, caller=caller, query=query)[0] if cursor else None
    page, position = composition.payment_desk().page(caller, account_id, limit, after)
    onward = cursors.encode([position], caller=caller, query=query) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
