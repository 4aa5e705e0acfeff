"""The facts that alerts can tell, told by the rules themselves."""

from gpubroker.kernel.events import Event
from gpubroker.prices.alerts import facts, rules
from tests.unit.prices.alerts.making import a_change, after, an_alert

TENANT = "usr_01KSCN0000000000000000000A"


def triggered() -> Event:
    alert = an_alert(region="us", regions=("us", "us-central", "us-east", "us-west"), tenant=TENANT, user_id=TENANT)
    change = a_change(2_000_000, 1_400_000, offer_id="vastai-lmbq4aqo247xxzsqwuz5", gpu_count=8, sequence=3)
    now = after(minutes=1)
    fired = rules.fired(alert, change.quote, sequence=change.sequence, now=now)
    return facts.triggered(fired, change.quote, sequence=change.sequence, now=now)
