"""GET /api/management/integration/audit/events"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from gpubroker.composition import management as composition
from gpubroker.edge import cursors
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.management.audit.requests import AuditQuery
from gpubroker.management.audit.views import AuditPage

router = Router()


@router.get("/api/management/integration/audit/events", tags=["management"], summary="What the audit log holds")
def list_audit_events(
    wanted: Annotated[AuditQuery, Query()], caller: Annotated[Caller, Depends(staff("management:read"))]
) -> AuditPage:
    question = wanted.question()
    position = cursors.decode(wanted.cursor, caller=caller, query=question)[0] if wanted.cursor else None
    page, onward = composition.audit_desk().page(wanted.wanted(), wanted.limit, position)
    told = cursors.encode([onward], caller=caller, query=question) if onward else None
    return page.model_copy(update={"next_cursor": told})


handler = serve(router, errors=SUCCESS_FLAG)
