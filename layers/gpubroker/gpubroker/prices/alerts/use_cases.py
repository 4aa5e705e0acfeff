"""What callers may do with alerts: make one, see them, change one, forget one.

An alert of a tenant tells the tenant's own user; an agent's alerts tell its owner.
"""

from datetime import datetime
from typing import Any

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, Problem
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.money import micros
from gpubroker.kernel.time import Clock
from gpubroker.prices.alerts import facts, rules
from gpubroker.prices.alerts.alert import AT_ONCE, CHANNELS, Alert, Selector
from gpubroker.prices.alerts.items import AlertItem
from gpubroker.prices.alerts.ports import Market
from gpubroker.prices.alerts.repository import Alerts
from gpubroker.prices.alerts.requests import AlertChange, AlertRequest
from gpubroker.prices.alerts.views import AlertPage, AlertView
from gpubroker.storage import idempotency as stored


class AlertDesk:
    """The use cases, with what they need."""

    def __init__(self, *, alerts: Alerts, market: Market, clock: Clock):
        self._alerts, self._market, self._clock = alerts, market, clock

    def create(self, caller: Caller, wanted: AlertRequest, idempotency: Idempotency | None) -> AlertView:
        """Keep an alert. Where the market has what it waits for, it fires at once, with the cheapest.

        The same key and body give the same alert. Raises Invalid, AlertCapReached.
        """
        try:
            return self._create(caller, wanted, idempotency)
        except Problem as problem:
            return self._replayed(idempotency, problem)

    def _create(self, caller: Caller, wanted: AlertRequest, idempotency: Idempotency | None) -> AlertView:
        now = self._clock()
        alert = Alert(
            alert_id=new_id("alr", now_ms=lambda: int(now.timestamp() * 1000)),
            tenant=caller.tenant,
            user_id=caller.tenant,
            selector=self._selector(wanted),
            max_price_micros=wanted.max_price_micros,
            cooldown_seconds=wanted.cooldown_seconds,
            channels=_ordered(wanted.channels),
            created_at=now,
            since=now,
            expires_at=_to_come(wanted.expires_at, now),
        )
        alert, told = self._met(alert, now)
        view = AlertView.of(alert, now)
        self._alerts.create(alert, told, caller.plan, idempotency=idempotency, answer=view.model_dump(mode="json"))
        return view

    def _met(self, alert: Alert, now: datetime) -> tuple[Alert, tuple[Event, ...]]:
        """The alert, fired if the market has already what it waits for."""
        quote = self._market.cheapest(alert.selector)
        if quote is None or quote.price_micros > alert.max_price_micros:
            return alert, ()
        alert = rules.fired(alert, quote, sequence=AT_ONCE, now=now)
        return alert, (facts.triggered(alert, quote, sequence=AT_ONCE, now=now),)

    def _selector(self, wanted: AlertRequest) -> Selector:
        field = "gpu" if wanted.gpu_type is None else "gpu_type"
        known = self._market.gpu(wanted.named_gpu)
        if known is None:
            raise Invalid.of(field, f"{wanted.named_gpu!r} is no GPU model that is known here")
        model, vram_gb = known
        if vram_gb is not None:
            raise Invalid.of(field, f"names a memory size; prices are watched by model: {model}")
        regions: tuple[str, ...] = ()
        region = wanted.region.strip().lower() if wanted.region else None
        if region is not None and not (regions := self._market.regions(region)):
            raise Invalid.of("region", f"{wanted.region!r} is no region")
        provider = wanted.provider.strip().lower() if wanted.provider else None
        if provider is not None and provider not in (known_ones := self._market.providers()):
            raise Invalid.of("provider", f"{wanted.provider!r} is no provider; known are {', '.join(known_ones)}")
        return Selector(model, region, regions, provider, wanted.spot)

    def alert_of(self, caller: Caller, alert_id: str) -> AlertView:
        return AlertView.of(self._alerts.of(caller.tenant, alert_id), self._clock())

    def page_of(self, caller: Caller, limit: int, before: str | None) -> tuple[AlertPage, str | None]:
        """One page and the alert id that the next begins before (None on the last)."""
        found, now = self._alerts.newest_of(caller.tenant, limit + 1, before=before), self._clock()
        position = found[limit - 1].alert_id if len(found) > limit else None
        return AlertPage(alerts=[AlertView.of(one, now) for one in found[:limit]], next_cursor=None), position

    def change(self, caller: Caller, alert_id: str, wanted: AlertChange, idempotency: Idempotency | None) -> AlertView:
        """Change an alert. Raises AlertNotFound, Invalid."""
        now = self._clock()
        expires_at = _to_come(wanted.expires_at, now)

        def rule(alert: Alert) -> tuple[Alert, tuple[Event, ...]]:
            after = rules.changed(
                alert,
                now=now,
                paused=wanted.paused,
                max_price_micros=None if wanted.max_price is None else micros(wanted.max_price),
                cooldown_seconds=wanted.cooldown_seconds,
                channels=_ordered(wanted.channels) if wanted.channels else None,
                expires_at=expires_at,
                unlimited="expires_at" in wanted.model_fields_set and expires_at is None,
            )
            return (alert, ()) if after == alert else (after, ())

        def answer(alert: Alert) -> dict[str, Any]:
            return AlertView.of(alert, now).model_dump(mode="json")

        try:
            after = self._alerts.change(caller.tenant, alert_id, rule, idempotency=idempotency, answer=answer)
            return AlertView.of(after, now)
        except Problem as problem:
            return self._replayed(idempotency, problem)

    def remove(self, caller: Caller, alert_id: str) -> None:
        self._alerts.remove(caller.tenant, alert_id)

    def _replayed(self, idempotency: Idempotency | None, problem: Problem) -> AlertView:
        """The stored answer, where this very request took effect before; else the problem it met now."""
        if idempotency is None:
            raise problem
        try:
            answer = stored.replay(AlertItem, idempotency)
        except stored.KeyReused:
            raise
        except Problem:
            raise problem from None  # the key was never used: what it met now is the answer
        return AlertView.model_validate(answer)


def _ordered(channels: list[Any]) -> tuple[str, ...]:
    return tuple(channel for channel in CHANNELS if channel in channels)


def _to_come(moment: datetime | None, now: datetime) -> datetime | None:
    if moment is not None and moment <= now:
        raise Invalid.of("expires_at", "is over already")
    return moment
