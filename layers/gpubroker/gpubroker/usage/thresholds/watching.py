"""The thresholds of whose usage comes by, as the consumer of the stream sees them.

A batch costs by its users: one BatchGet of their stamps a hundred users, and one Query for each whose stamp has moved
since this process read their thresholds. A user without thresholds has no stamp, and costs a hundredth of a call every
few seconds. What is remembered may be FRESH_SECONDS old; who fires one holds it against the item itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gpubroker.usage.thresholds.items import StampItem, ThresholdItem, thresholds_pk
from gpubroker.usage.thresholds.threshold import EVERYBODY, Threshold

FRESH_SECONDS = 5.0
MOST_REMEMBERED = 20_000
_BATCH = 100  # BatchGetItem takes so many keys


@dataclass(slots=True)
class _Known:
    stamp: int
    read_at: float
    thresholds: tuple[Threshold, ...]


class Watching:
    """`elapsed` counts seconds."""

    def __init__(self, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def of(self, users: Iterable[str]) -> dict[str, tuple[Threshold, ...]]:
        """The enabled thresholds that watch each of these users: their own, and everybody's."""
        wanted = dict.fromkeys(users)
        self._refresh(list(dict.fromkeys((*wanted, EVERYBODY))))
        everybody = self._known[EVERYBODY].thresholds
        found = {user: self._known[user].thresholds + everybody for user in wanted}
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return found

    def forget(self, user_id: str) -> None:
        """Read a user's thresholds again, and everybody's, whatever is remembered."""
        for user in (user_id, EVERYBODY):
            self._known.pop(user, None)

    def _refresh(self, users: list[str]) -> None:
        now = self._elapsed()
        old = [user for user in users if not self._fresh(user, now)]
        if not old:
            return
        stamps = dict.fromkeys(old, 0)
        for part in _parts(old):
            keys = [(StampItem.of(user).pk, "STAMP") for user in part]
            for item in StampItem.batch_get(keys, consistent_read=True):
                stamps[item.pk.removesuffix("#THRESHOLDS")] = int(item.stamp)
        for user, stamp in stamps.items():
            known = self._known.get(user)
            if known is None or known.stamp != stamp:
                # The stamp was read before: what is written in between moves it again, and is read next time.
                known = _Known(stamp, now, _read(user) if stamp else ())
            known.read_at = now
            self._known[user] = known
            self._known.move_to_end(user)

    def _fresh(self, user: str, now: float) -> bool:
        known = self._known.get(user)
        return known is not None and 0 <= now - known.read_at < FRESH_SECONDS


def _read(user: str) -> tuple[Threshold, ...]:
    found = (item.value() for item in ThresholdItem.query(thresholds_pk(user), consistent_read=True))
    return tuple(threshold for threshold in found if threshold.enabled)


def _parts(users: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(users), _BATCH):
        yield users[start : start + _BATCH]
