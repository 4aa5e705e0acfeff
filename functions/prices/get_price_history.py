"""GET /api/v2/analytics/price-history"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import prices as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, signed_in
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.negotiation import form_of
from gpubroker.prices.history.requests import HistoryFields
from gpubroker.prices.history.views import HistoryView, answer_of

router = Router()


@router.get("/api/v2/analytics/price-history", tags=["prices"], summary="What a GPU cost: raw, hourly or daily")
def get_price_history(
    wanted: Annotated[HistoryFields, Query()],
    form: Annotated[str, Depends(form_of("application/json", "text/csv"))],
    caller: Annotated[Caller, Depends(signed_in)],
) -> Answer[HistoryView]:
    return Answer(**answer_of(composition.price_history(cursors).page(wanted, caller), form))


handler = serve(router)
