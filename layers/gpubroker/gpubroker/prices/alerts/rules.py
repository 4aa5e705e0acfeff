"""When an alert fires: pure. Once per crossing (DESIGN §4), whatever comes twice, late or in another order.

A crossing begins when an offer falls to the threshold or below and ends when that offer rises above it or leaves the
market. While it lasts, other offers that fall below the threshold change nothing: the condition is true already, and
its owner knows. Nothing is done when it ends; that it has ended is seen when the next offer falls: if it is the same
offer, it must have risen in between, and of another one's holder the market is asked.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from gpubroker.kernel.money import MicroUsd
from gpubroker.prices.alerts.alert import AT_ONCE, Alert, Change, Hold, Quote

OLDEST = timedelta(hours=6)
"""A change that is told later than this is no news. The marker of a crossing (its outbox entry) is kept a week."""

GRACE = timedelta(seconds=10)
"""From a provider's answer (the change's moment) to the table that an alert looks at as it is made: an alert that was
made in between has seen the old price, so the change is its business though it is older."""

PriceOf = Callable[[str], MicroUsd | None]
"""The price per GPU-hour of an offer now; None when it is on the market no more, or cannot be had."""


class Verdict(StrEnum):
    """What becomes of an alert at a change. Only `fires` does anything."""

    FIRES = "fires"
    PAUSED = "paused"
    EXPIRED = "expired"
    UNMOVED = "unmoved"  # the change is not of its offers, or does not cross its threshold
    BEFORE = "before"  # the change is older than the alert
    STALE = "stale"  # the change is too old to tell
    TOLD = "told"  # this change of this offer, or a later one, has fired it
    QUIET = "quiet"  # within the cooldown
    HELD = "held"  # the crossing that fired it lasts


def verdict(alert: Alert, change: Change, *, now: datetime, price_of: PriceOf) -> Verdict:
    """Whether a change fires an alert. The market is asked last, and only about another offer than the change's."""
    quote, hold = change.quote, alert.hold
    if alert.paused:
        return Verdict.PAUSED
    if alert.expired(now):
        return Verdict.EXPIRED
    if not change.crosses(alert.max_price_micros) or not alert.selector.covers(
        gpu_type=quote.gpu_type, region=quote.region, provider=quote.provider, spot=quote.spot
    ):
        return Verdict.UNMOVED
    if change.at < alert.since - GRACE:
        return Verdict.BEFORE
    if now - change.at > OLDEST:
        return Verdict.STALE
    if hold is not None and hold.offer_id == quote.offer_id:
        met = hold.sequence == AT_ONCE and change.at < alert.since  # the alert met the offer at this very price
        if met or change.sequence <= hold.sequence:
            return Verdict.TOLD
    if cooling(alert, now):
        return Verdict.QUIET
    if hold is not None and hold.offer_id != quote.offer_id:
        price = price_of(hold.offer_id)
        if price is not None and price <= alert.max_price_micros:
            return Verdict.HELD
    return Verdict.FIRES


def cooling(alert: Alert, now: datetime) -> bool:
    """Whether the alert fired less than its cooldown ago, on either side of now: a clock that was wrong when it fired
    silences it for one cooldown more at most, never for as long as the clock was ahead."""
    fired = alert.last_fired_at
    return fired is not None and abs(now - fired) < timedelta(seconds=alert.cooldown_seconds)


def fired(alert: Alert, quote: Quote, *, sequence: int, now: datetime) -> Alert:
    """The alert after an offer has fired it."""
    hold = Hold(quote.offer_id, sequence, quote.price_micros, now)
    return replace(alert, hold=hold, last_fired_at=now, crossings=alert.crossings + 1)


def changed(
    alert: Alert,
    *,
    now: datetime,
    paused: bool | None = None,
    max_price_micros: MicroUsd | None = None,
    cooldown_seconds: int | None = None,
    channels: tuple[str, ...] | None = None,
    expires_at: datetime | None = None,
    unlimited: bool = False,
) -> Alert:
    """The alert with what its owner changed. One that watches for something else than before, or again, is armed anew.

    unlimited: it shall not expire (None for `expires_at` says nothing).
    """
    after = replace(
        alert,
        paused=alert.paused if paused is None else paused,
        max_price_micros=alert.max_price_micros if max_price_micros is None else max_price_micros,
        cooldown_seconds=alert.cooldown_seconds if cooldown_seconds is None else cooldown_seconds,
        channels=alert.channels if channels is None else channels,
        expires_at=None if unlimited else expires_at or alert.expires_at,
    )
    rested = alert.paused or alert.expired(now)
    watches = not (after.paused or after.expired(now))
    rearmed = after.max_price_micros != alert.max_price_micros or (rested and watches)
    return replace(after, hold=None, since=now) if rearmed else after
