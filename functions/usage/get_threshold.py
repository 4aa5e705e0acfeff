"""GET /api/v1/usage/thresholds/{threshold_id}"""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from gpubroker.composition import thresholds as composition
from gpubroker.edge.caller import Caller, admin
from gpubroker.edge.http import serve
from gpubroker.usage.thresholds.views import ThresholdView

router = Router()


@router.get("/api/v1/usage/thresholds/<threshold_id>", tags=["usage"], summary="One threshold")
def get_threshold(
    threshold_id: Annotated[str, Path(max_length=64)], caller: Annotated[Caller, Depends(admin)]
) -> ThresholdView:
    return composition.threshold_desk().one(threshold_id)


handler = serve(router)
