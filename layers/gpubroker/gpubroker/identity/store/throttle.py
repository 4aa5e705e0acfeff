"""Counting tries in DynamoDB: counted before the work is done, so that parallel guesses are counted too."""

from gpubroker.identity.store.items import CountItem
from gpubroker.identity.throttle import Count
from gpubroker.kernel.errors import TooManyRequests
from gpubroker.storage.transaction import Lost, Writes, transaction

_KEPT_SECONDS = 3600


class TooManyAttempts(TooManyRequests):
    """Tried too often from this address or for this account."""

    code = "too-many-attempts"
    title = "Too many attempts; wait before the next one"


def count(*counts: Count, now: float) -> None:
    """Count one try on each counter, in one call. Raises TooManyAttempts, and counts nothing, when one is full."""
    with transaction(CountItem) as tx:
        for one in counts:
            lost = TooManyAttempts("Too many attempts; wait before the next one.", retry_after=one.retry_after(now))
            add(tx, one, lost=lost)


def add(tx: Writes, one: Count, *, lost: Lost) -> None:
    """Count one try as part of a larger transaction."""
    tx.update(
        _item(one),
        actions=[CountItem.tries.add(1), CountItem.expires_at.set(one.ends_at + _KEPT_SECONDS)],
        condition=CountItem.tries.does_not_exist() | (CountItem.tries < one.limit),
        lost=lost,
    )


def give_back(tx: Writes, one: Count) -> None:
    """Take one try off a counter: it was no guess."""
    tx.update(_item(one), actions=[CountItem.tries.add(-1), CountItem.expires_at.set(one.ends_at + _KEPT_SECONDS)])


def clear(tx: Writes, one: Count) -> None:
    """Start a counter anew."""
    tx.delete(_item(one))


def _item(one: Count) -> CountItem:
    return CountItem(f"THROTTLE#{one.key}", "COUNT")
