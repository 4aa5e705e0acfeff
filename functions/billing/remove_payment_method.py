"""DELETE /api/v1/billing/payment-methods/{payment_method_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from gpubroker.composition import payments as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.delete(
    "/api/v1/billing/payment-methods/<payment_method_id>",
    tags=["billing"],
    summary="Forget a card; payments under way keep it",
    status_code=204,
)
def remove_payment_method(
    payment_method_id: Annotated[str, Path(max_length=64)],
    caller: Annotated[Caller, Depends(scoped("billing:write"))],
    account_id: Annotated[str | None, Query(max_length=80)] = None,
) -> None:
    composition.method_desk().remove(caller, payment_method_id, account_id)


handler = serve(router)
