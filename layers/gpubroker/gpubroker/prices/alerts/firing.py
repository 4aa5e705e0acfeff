"""Firing alerts: the step of the workflow, and of the queue of what the workflow could not do.

Each alert is fired by one transaction: its new state, on the condition that nobody changed it meanwhile, and the fact
PriceAlertTriggered, on the condition that it was never written. So a page that is done twice, by whoever, is done once.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.time import Clock
from gpubroker.messaging.log import logger
from gpubroker.prices.alerts import facts, rules
from gpubroker.prices.alerts.alert import Alert, Change
from gpubroker.prices.alerts.ports import Market
from gpubroker.prices.alerts.repository import AlertNotFound, Alerts, AlreadyTold
from gpubroker.prices.alerts.rules import Verdict

GONE = "gone"


class AlertsNotFired(Exception):
    """Some alerts of a page could not be fired now; the others were. Firing the page again is harmless."""


class Firing:
    def __init__(self, *, alerts: Alerts, market: Market, clock: Clock):
        self._alerts, self._market, self._clock = alerts, market, clock

    def step(self, wanted: Mapping[str, Any]) -> dict[str, int]:
        """Fire a page: itself (`page`, an object), or a stored one (`page`, its number, of `fan_out_id`).

        Gives how many alerts had which outcome. Raises AlertsNotFired when some could not be fired, after all others.
        """
        page = wanted["page"]
        if not isinstance(page, dict):
            page = self._alerts.page(wanted["fan_out_id"], page)
        changes = [Change.of(update) for update in page["changes"]]
        outcomes: Counter[str] = Counter()
        failed = []
        for hit in page["alerts"]:
            try:
                outcomes[self.fire(hit["tenant"], hit["alert_id"], changes[hit["change"]])] += 1
            except Exception as error:
                logger().error("alert not fired", extra={"alert_id": hit["alert_id"], "error": repr(error)})
                failed.append(hit["alert_id"])
        if failed:
            raise AlertsNotFired(f"{len(failed)} of {len(page['alerts'])} alerts, the first {failed[0]}")
        return dict(outcomes)

    def fire(self, tenant: str, alert_id: str, change: Change) -> str:
        """Fire one alert if the change still means it; what became of it (rules.Verdict, or `gone`)."""
        reached = Verdict.UNMOVED

        def rule(alert: Alert) -> tuple[Alert, tuple[Event, ...]]:
            nonlocal reached
            now = self._clock()
            reached = rules.verdict(alert, change, now=now, price_of=self._market.price_of)
            if reached is not Verdict.FIRES:
                return alert, ()
            after = rules.fired(alert, change.quote, sequence=change.sequence, now=now)
            return after, (facts.triggered(after, change.quote, sequence=change.sequence, now=now),)

        try:
            self._alerts.change(tenant, alert_id, rule)
        except AlertNotFound:
            return GONE
        except AlreadyTold:
            return Verdict.TOLD
        return reached
