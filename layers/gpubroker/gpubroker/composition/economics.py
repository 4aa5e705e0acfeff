"""The platform's economic metrics, with everything they need."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.management.economics.desk import EconomicsDesk


@cache
def economics_desk() -> "EconomicsDesk":
    """Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.economics.counters import Economics
    from gpubroker.management.economics.desk import EconomicsDesk

    return EconomicsDesk(economics=Economics(clock=utc_now), clock=utc_now)
