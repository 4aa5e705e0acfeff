"""What docs/limits.md says of alerts is what is held."""

from pathlib import Path

from gpubroker.delivery.notifications.devices import MOST_DEVICES
from gpubroker.kernel.caller import Plan
from gpubroker.prices.alerts.caps import ALERTS

LIMITS = (Path(__file__).parents[4] / "docs" / "limits.md").read_text(encoding="utf-8")


def test_the_page_says_how_many() -> None:
    free, pro, enterprise = (f"{ALERTS[plan]:,}" for plan in (Plan.FREE, Plan.PRO, Plan.ENTERPRISE))
    assert f"{free} price alerts on free, {pro} on pro, {enterprise} on enterprise" in LIMITS
    assert f"{MOST_DEVICES} push devices" in LIMITS
