"""GET /api/v1/billing/plans"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.billing.plans.views import PlanPage
from gpubroker.composition import pricing as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import serve

router = Router()
_QUERY = "price plans, by name"


@router.get("/api/v1/billing/plans", tags=["billing"], summary="Price plans, and what each costs now")
def list_plans(
    caller: Annotated[Caller, Depends(signed_in)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> PlanPage:
    start = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.plan_desk().page(limit, start)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router)
