"""PATCH /api/v1/usage/thresholds/{threshold_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from gpubroker.composition import thresholds as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.edge.idempotency import idempotency_key
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.usage.thresholds.requests import ThresholdChange
from gpubroker.usage.thresholds.views import NewThresholdView

router = Router()


@router.patch("/api/v1/usage/thresholds/<threshold_id>", tags=["usage"], summary="Change, pause or resume a threshold")
def change_threshold(
    threshold_id: Annotated[str, Path(max_length=64)],
    wanted: Annotated[ThresholdChange, Body()],
    caller: Annotated[Caller, Depends(admin)],
    idempotency: Annotated[Idempotency | None, Depends(idempotency_key)],
) -> NewThresholdView:
    return composition.threshold_desk().change(caller, threshold_id, wanted, idempotency)


handler = serve(router, limited=False)
