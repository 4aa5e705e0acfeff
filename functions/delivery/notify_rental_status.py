"""POST /internal/v1/notifications/rental-status"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.requests import RentalStatusNotice
from gpubroker.delivery.notifications.views import AcceptedView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/internal/v1/notifications/rental-status",
    tags=["internal"],
    summary="Tell a user what became of a rental",
    status_code=202,
)
def notify_rental_status(
    wanted: Annotated[RentalStatusNotice, Body()],
    caller: Annotated[Caller, Depends(scoped("internal:notifications"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> AcceptedView:
    return composition.notification_desk().rental_status(caller, wanted, idempotency)


handler = serve(router)
