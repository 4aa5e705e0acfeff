"""What administrators may do with thresholds."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import Clock
from gpubroker.storage import idempotency as stored
from gpubroker.storage.throttle import Limit, Throttle, count_of
from gpubroker.storage.transaction import AlreadyDone
from gpubroker.usage.thresholds.items import ThresholdItem
from gpubroker.usage.thresholds.ports import Callbacks
from gpubroker.usage.thresholds.repository import Thresholds, TooManyThresholds
from gpubroker.usage.thresholds.requests import ThresholdChange, ThresholdRequest, checked
from gpubroker.usage.thresholds.threshold import Callback, Threshold
from gpubroker.usage.thresholds.views import (
    CrossingPage,
    CrossingView,
    NewThresholdView,
    ThresholdPage,
    ThresholdView,
    shown,
)

CHANGES = Limit("threshold-changes", tries=120, seconds=60)
_WATCHED = ("value", "units", "limit", "limit_units", "period", "every")
"""Fields whose change arms a threshold anew."""


class ThresholdDesk:
    """The use cases, with what they need."""

    def __init__(self, *, thresholds: Thresholds, callbacks: Callbacks, clock: Clock) -> None:
        self._thresholds, self._callbacks, self._clock = thresholds, callbacks, clock

    def create(self, caller: Caller, wanted: ThresholdRequest, idempotency: Idempotency | None) -> NewThresholdView:
        """Keep a threshold. The same key and body give the same threshold, without the secret, which is shown once.

        Raises Invalid, TooManyThresholds, TooManyAttempts. The address is kept first: one whose threshold was not
        written is never called, since nothing names it.
        """
        now = self._counted(caller)
        fields = checked(wanted.model_dump())
        threshold = Threshold(
            threshold_id=new_id("thr", now_ms=lambda: int(now.timestamp() * 1000)),
            user_id=wanted.user_id,
            instance_id=wanted.instance_id,
            enabled=wanted.enabled,
            created_at=now,
            created_by=caller.subject,
            **fields,
        )
        secret = None
        try:
            if wanted.callback_url is not None:
                callback, secret = self._called(threshold, wanted.callback_url)
                threshold = replace(threshold, callback=callback)
            answer = NewThresholdView.model_validate(shown(threshold) | {"callback_secret": None})
            self._thresholds.create(threshold, idempotency=idempotency, answer=answer.model_dump(mode="json"))
        except Problem as problem:
            if threshold.callback is not None and isinstance(problem, AlreadyDone | TooManyThresholds):
                self._callbacks.forget(threshold.threshold_id)
            return NewThresholdView.model_validate(_replayed(idempotency, problem))
        return answer.model_copy(update={"callback_secret": secret})

    def one(self, threshold_id: str) -> ThresholdView:
        """Raises ThresholdNotFound."""
        return ThresholdView.of(self._thresholds.of(threshold_id))

    def page(self, limit: int, user_id: str | None, before: str | None) -> tuple[ThresholdPage, str | None]:
        """One page and the threshold id that the next begins before (None on the last)."""
        found = self._thresholds.newest(limit + 1, user_id=user_id, before=before)
        position = found[limit - 1].threshold_id if len(found) > limit else None
        page = ThresholdPage(thresholds=[ThresholdView.of(one) for one in found[:limit]], next_cursor=None)
        return page, position

    def change(
        self, caller: Caller, threshold_id: str, wanted: ThresholdChange, idempotency: Idempotency | None
    ) -> NewThresholdView:
        """Change a threshold; a first address of its own gets a secret.

        Raises ThresholdNotFound, Invalid, TooManyAttempts.
        """
        now = self._counted(caller)
        given: dict[str, Any] = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        before = self._thresholds.of(threshold_id)
        changed(before, given, before.callback, now)  # what is not valid is refused before an address is touched
        callback, secret = before.callback, None
        try:
            if "callback_url" in given:
                callback, secret = self._called(before, given["callback_url"])
            after = self._thresholds.change(
                threshold_id,
                lambda found: changed(found, given, callback if "callback_url" in given else found.callback, now),
                idempotency=idempotency,
                answer=lambda one: shown(one) | {"callback_secret": None},
            )
        except Problem as problem:
            return NewThresholdView.model_validate(_replayed(idempotency, problem))
        if before.callback is not None and after.callback is None:
            self._callbacks.forget(threshold_id)
        return NewThresholdView.model_validate(shown(after) | {"callback_secret": secret})

    def _counted(self, caller: Caller) -> datetime:
        """The present, in which one more change is counted: these functions stand away from the limits in Redis."""
        now = self._clock()
        Throttle("USAGE_TABLE").count(count_of(CHANGES, caller.subject, now.timestamp()), now=now.timestamp())
        return now

    def _called(self, threshold: Threshold, url: str | None) -> tuple[Callback | None, str | None]:
        """The address that is called from now on, and the secret of a new one."""
        if url is None:
            return None, None
        before = threshold.callback.webhook_id if threshold.callback else None
        callback_id, secret = self._callbacks.keep(threshold.threshold_id, before, url)
        return Callback(callback_id, url), secret

    def remove(self, threshold_id: str) -> None:
        """Raises ThresholdNotFound."""
        before = self._thresholds.remove(threshold_id)
        if before.callback is not None:
            self._callbacks.forget(threshold_id)

    def crossings(self, threshold_id: str, limit: int, before: str | None) -> tuple[CrossingPage, str | None]:
        """What was crossed, the newest first, and the position to go on from. Raises ThresholdNotFound."""
        self._thresholds.of(threshold_id)
        found = self._thresholds.crossings_of(threshold_id, limit + 1, before=before)
        position = found[limit - 1][0] if len(found) > limit else None
        page = CrossingPage(crossings=[CrossingView.of(detail) for _, detail in found[:limit]], next_cursor=None)
        return page, position


def changed(threshold: Threshold, given: dict[str, Any], callback: Callback | None, now: datetime) -> Threshold:
    """The threshold with some fields of a request replaced. Raises Invalid for what makes no sense together."""
    url = given.get("callback_url", threshold.callback and threshold.callback.url)
    asked: dict[str, Any] = {
        "resource_type": threshold.resource,
        "threshold_type": threshold.kind,
        "threshold_value": threshold.value,
        "units": threshold.units,
        "limit": threshold.limit,
        "limit_units": threshold.limit_units if threshold.units == "%" else None,
        "period": threshold.period,
        "recurring": threshold.every is not None,
        "every": threshold.every,
        "action": threshold.action,
        "notification_channels": threshold.channels,
        "user_id": threshold.user_id,
        "instance_id": threshold.instance_id,
    }
    if given.get("recurring") is False:
        asked["every"] = None
    if given.get("limit", ...) is None:  # what is of no limit any more is a level
        asked |= {"limit_units": None, "period": None}
    fields = checked(asked | given | {"callback_url": url})
    after = replace(threshold, **fields, enabled=given.get("enabled", threshold.enabled), callback=callback)
    if after == threshold:
        return threshold
    rearmed = any(getattr(after, name) != getattr(threshold, name) for name in _WATCHED)
    rearmed = rearmed or after.enabled != threshold.enabled
    return replace(after, updated_at=now, revision=threshold.revision + rearmed)


def _replayed(idempotency: Idempotency | None, problem: Problem) -> dict[str, Any]:
    """The stored answer, where this very request took effect before; else the problem it met now."""
    if idempotency is None:
        raise problem
    try:
        return stored.replay(ThresholdItem, idempotency)
    except stored.KeyReused:
        raise
    except Problem:
        raise problem from None  # the key was never used: what it met now is the answer
