"""How many alerts a tenant may keep. The same numbers stand in docs/limits.md; a test compares."""

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.errors import Conflict

ALERTS: dict[Plan, int] = {Plan.FREE: 10, Plan.PRO: 100, Plan.ENTERPRISE: 1_000}


class AlertCapReached(Conflict):
    code = "alert-cap-reached"
    title = "The plan's number of alerts is reached"

    @classmethod
    def of(cls, plan: Plan) -> "AlertCapReached":
        return cls(f"The plan {plan} allows {ALERTS[plan]} alerts. Delete one that is not needed any more.")
