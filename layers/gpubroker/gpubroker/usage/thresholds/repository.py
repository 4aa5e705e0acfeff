"""Where thresholds are kept: a threshold, its place in the administrators' list, its user's stamp and the idempotency
record are one write. Read by the administrators; the consumer of the stream reads them through watching.py."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from gpubroker.kernel.errors import Conflict, NotFound, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import StaleVersion, Writes, transaction
from gpubroker.usage.thresholds.items import EVERY_THRESHOLD, CrossedItem, ListedItem, StampItem, ThresholdItem
from gpubroker.usage.thresholds.threshold import Threshold

MOST = 100
"""Thresholds of one user, and of everybody."""
_TRIES = 8

Answer = Callable[[Threshold], dict[str, Any]]


class ThresholdNotFound(NotFound):
    code = "threshold-not-found"
    title = "There is no such threshold"

    @classmethod
    def of(cls, threshold_id: str) -> "ThresholdNotFound":
        return cls(f"There is no threshold {threshold_id}.")


class TooManyThresholds(Conflict):
    code = "too-many-thresholds"
    title = "There are as many thresholds as there may be"


class Thresholds:
    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, jitter: Callable[[], float] = random.random
    ) -> None:
        self._sleep, self._jitter = sleep, jitter

    def create(self, threshold: Threshold, *, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
        """Write a new threshold, or nothing. Raises TooManyThresholds, AlreadyDone."""
        with transaction(ThresholdItem) as tx:
            stored.remember(tx, ThresholdItem, idempotency, answer)
            tx.put(ThresholdItem.of(threshold), condition=ThresholdItem.pk.does_not_exist())
            tx.put(ListedItem.of(threshold))
            tx.update(
                StampItem.of(threshold.user_id),
                actions=[StampItem.thresholds.add(1), StampItem.stamp.add(1)],
                condition=StampItem.thresholds.does_not_exist() | (StampItem.thresholds < MOST),
                lost=TooManyThresholds(f"A user may have {MOST} thresholds, and so may everybody together."),
            )

    def of(self, threshold_id: str) -> Threshold:
        """Two strongly consistent reads. Raises ThresholdNotFound."""
        try:
            owner = ListedItem.get(EVERY_THRESHOLD, threshold_id, consistent_read=True).user_id
            item = ThresholdItem.get(f"{owner}#THRESHOLD", threshold_id, consistent_read=True)
        except DoesNotExist:
            raise ThresholdNotFound.of(threshold_id) from None
        return item.value()

    def newest(self, limit: int, *, user_id: str | None, before: str | None) -> list[Threshold]:
        """Thresholds, the newest first, from before the threshold id `before` on: one user's, or all."""
        if user_id is not None:
            condition = ThresholdItem.sk < before if before else None
            found = ThresholdItem.query(
                f"{user_id}#THRESHOLD",
                condition,
                scan_index_forward=False,
                limit=limit,
                page_size=limit,
                consistent_read=True,
            )
            return [item.value() for item in found]
        listed = list(
            ListedItem.query(
                EVERY_THRESHOLD,
                ListedItem.sk < before if before else None,
                scan_index_forward=False,
                limit=limit,
                page_size=limit,
                consistent_read=True,
            )
        )
        keys = [(f"{item.user_id}#THRESHOLD", item.sk) for item in listed]
        by_id = {item.sk: item.value() for item in ThresholdItem.batch_get(keys, consistent_read=True)}
        return [by_id[item.sk] for item in listed if item.sk in by_id]  # one may have gone between the two reads

    def change(
        self,
        threshold_id: str,
        rule: Callable[[Threshold], Threshold],
        *,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Threshold:
        """Read, apply a rule, write with the version as the condition; again when another writer was first.

        A rule that changes nothing writes nothing, unless there is a key to remember. Raises ThresholdNotFound.
        """
        for attempt in range(_TRIES):
            before = self.of(threshold_id)
            after = rule(before)
            if after == before and idempotency is None:
                return before
            after = replace(after, version=before.version + 1)
            try:
                with transaction(ThresholdItem) as tx:
                    if idempotency is not None and answer is not None:
                        stored.remember(tx, ThresholdItem, idempotency, answer(after))
                    tx.put(ThresholdItem.of(after), condition=ThresholdItem.version == before.version)
                    _stamp(tx, after)
                return after
            except StaleVersion:
                self._sleep(self._jitter() * 0.02 * 2**attempt)
        raise Unavailable(f"{threshold_id} is changing too fast; try again.", retry_after=1)

    def remove(self, threshold_id: str) -> Threshold:
        """Forget a threshold; as it was last. Raises ThresholdNotFound."""
        for attempt in range(_TRIES):
            before = self.of(threshold_id)
            try:
                with transaction(ThresholdItem) as tx:
                    tx.delete(ThresholdItem.key(before), condition=ThresholdItem.version == before.version)
                    tx.delete(ListedItem.of(before))
                    _stamp(tx, before, number=-1)
                return before
            except StaleVersion:
                self._sleep(self._jitter() * 0.02 * 2**attempt)
        raise Unavailable(f"{threshold_id} is changing too fast; try again.", retry_after=1)

    def crossings_of(self, threshold_id: str, limit: int, *, before: str | None) -> list[tuple[str, str]]:
        """(key, detail) of what was crossed, the newest first, from before the key `before` on."""
        found = CrossedItem.query(
            f"{threshold_id}#CROSSED",
            CrossedItem.sk < before if before else None,
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [(item.sk, item.detail) for item in found]


def _stamp(tx: Writes, threshold: Threshold, *, number: int = 0) -> None:
    """Whoever remembers the user's thresholds reads them again."""
    actions: list[Action] = [StampItem.stamp.add(1)]
    if number:
        actions.append(StampItem.thresholds.add(number))
    tx.update(StampItem.of(threshold.user_id), actions=actions)
