"""POST /api/management/integration/audit/log"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import management as composition
from gpubroker.edge.caller import Caller, staff
from gpubroker.edge.error_formats import SUCCESS_FLAG
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.management.audit.requests import AuditRequest
from gpubroker.management.views import Done

router = Router()


@router.post(
    "/api/management/integration/audit/log", tags=["management"], summary="Record an event of compliance or audit"
)
def log_audit_event(
    wanted: Annotated[AuditRequest, Body()],
    caller: Annotated[Caller, Depends(staff("management:write"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Done:
    """Kept for ever, in a chain of hashes; what looks like a secret is taken out before."""
    return composition.audit_desk().receive(caller, wanted, idempotency)


handler = serve(router, errors=SUCCESS_FLAG)
