"""POST /api/v1/usage/thresholds"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body

from gpubroker.composition import thresholds as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.usage.thresholds.requests import ThresholdRequest
from gpubroker.usage.thresholds.views import NewThresholdView

router = Router()


@router.post(
    "/api/v1/usage/thresholds", tags=["usage"], summary="Tell when somebody's usage goes over a value", status_code=201
)
def create_threshold(
    wanted: Annotated[ThresholdRequest, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> Answer[NewThresholdView]:
    threshold = composition.threshold_desk().create(caller, wanted, idempotency)
    return Answer(threshold, 201, {"location": f"/api/v1/usage/thresholds/{threshold.threshold_id}"})


handler = serve(router, limited=False)
