"""GET /api/v1/billing/usage-events/{event_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime

from gpubroker.billing.invoices.views import EventView
from gpubroker.composition import invoices as composition
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve

router = Router()


@router.get(
    "/api/v1/billing/usage-events/<event_id>",
    tags=["billing"],
    summary="Which invoice line a usage event is in, or why it is in none",
)
def find_usage_event(
    event_id: Annotated[str, Path(max_length=128)],
    caller: Annotated[Caller, Depends(scoped("billing:read"))],
    instance_id: Annotated[str, Query(min_length=1, max_length=128)],
    hour: Annotated[AwareDatetime, Query(description="any moment of the hour in which its period begins")],
    account_id: Annotated[str | None, Query(max_length=128)] = None,
) -> EventView:
    return composition.invoice_desk().event(caller, event_id, instance_id, hour, account_id)


handler = serve(router)
