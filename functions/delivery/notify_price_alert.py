"""POST /internal/v1/notifications/price-alert"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import notifications as composition
from gpubroker.delivery.notifications.requests import PriceAlertNotice
from gpubroker.delivery.notifications.views import AcceptedView
from gpubroker.edge.caller import Caller, scoped
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency

router = Router()


@router.post(
    "/internal/v1/notifications/price-alert",
    tags=["internal"],
    summary="Tell a user that an offer fired their alert",
    status_code=202,
)
def notify_price_alert(
    wanted: Annotated[PriceAlertNotice, Body()],
    caller: Annotated[Caller, Depends(scoped("internal:notifications"))],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> AcceptedView:
    return composition.notification_desk().price_alert(caller, wanted, idempotency)


handler = serve(router)
