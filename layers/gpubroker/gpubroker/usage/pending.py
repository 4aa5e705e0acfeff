"""Totals that are to be made, or made again: who noted it, and when it is due.

A user's hour is due two minutes after it is over, or, when an organisation pays for some of it, every five minutes: an
organisation's present hour is not computed while somebody waits, as a user's is (history.py).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from gpubroker.kernel.ids import new_id
from gpubroker.usage.event import HOUR_MS
from gpubroker.usage.items import PendingItem, hour_text

HOUR_DUE_MS = 2 * 60_000
"""After an hour is over."""
SHARED_DUE_MS = 5 * 60_000
"""After an organisation's hour changed."""
HOUR = "HOUR#"
DAY = "DAY#"
_REMEMBERED = 50_000
_marked: set[tuple[str, int]] = set()
"""Hours that go on and that this process has marked already: a hint that saves writes, and no more."""


def pending_pk(owner: str) -> str:
    return f"{owner}#PENDING"


def note(changed: Iterable[tuple[str, int, bool]], now_ms: int) -> None:
    """Hours of users have changed: (user, hour, whether an organisation pays for some of it)."""
    for user_id, hour_ms, shared in changed:
        over = hour_ms + HOUR_MS
        going_on = now_ms < over and not shared
        if going_on and (user_id, hour_ms) in _marked:
            continue  # it is pending until it is over, whatever else changes: no write
        at = now_ms if now_ms >= over else over + HOUR_DUE_MS
        mark(user_id, f"{HOUR}{hour_text(hour_ms)}", min(at, now_ms + SHARED_DUE_MS) if shared else at)
        if going_on:
            if len(_marked) >= _REMEMBERED:
                _marked.clear()
            _marked.add((user_id, hour_ms))


def mark(owner: str, sk: str, due_ms: int) -> None:
    """Something is pending: due at the moment it was first due, with a new stamp, so that who is at it now does not
    take it for done."""
    item = PendingItem(pending_pk(owner), sk)
    gsi1pk, gsi1sk = PendingItem.due_key(f"{owner}#{sk}", datetime.fromtimestamp(due_ms / 1000, UTC))
    item.update(
        actions=[
            PendingItem.stamp.set(new_id("due")),
            PendingItem.gsi1pk.set(PendingItem.gsi1pk | gsi1pk),
            PendingItem.gsi1sk.set(PendingItem.gsi1sk | gsi1sk),
        ]
    )
