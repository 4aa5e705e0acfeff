"""GET /api/management/integration/payouts/files"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import settlement as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.settlement.views import BankFilePage

router = Router()
_QUERY = "bank files, newest first"


@router.get("/api/management/integration/payouts/files", tags=["management"], summary="Bank files, the newest first")
def list_payout_files(
    caller: Annotated[Caller, Depends(admin)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2048)] = None,
) -> BankFilePage:
    before = cursors.decode(cursor, caller=caller, query=_QUERY)[0] if cursor else None
    page, position = composition.payout_desk().files(limit, before)
    onward = cursors.encode([position], caller=caller, query=_QUERY) if position else None
    return page.model_copy(update={"next_cursor": onward})


handler = serve(router, errors=SUCCESS_FLAG)
