"""A request's key, its effect and its answer in one transaction (DESIGN §3).

    with transaction(RentalItem) as tx:
        tx.put(rental, ...)
        remember(tx, RentalItem, idempotency, answer)     # raises AlreadyDone on the second delivery
    ...
    except AlreadyDone:
        return replay(RentalItem, idempotency)

The write is tried first: a read before it would cost every honest request a call and still lose the race.
"""

import hashlib
import time
from functools import cache
from typing import Any

import orjson
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Conflict, FieldError, Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import AlreadyDone, Writes

KEPT_SECONDS = 48 * 3600


class KeyReused(Invalid):
    """The same key with another body."""

    code = "idempotency-key-reused"
    title = "This Idempotency-Key was used for another request"


def remember(
    tx: Writes,
    model: type[Item],
    idempotency: Idempotency | None,
    answer: dict[str, Any],
    *,
    for_ever: bool = False,
) -> None:
    """Put the key and the answer in the writer's transaction. Without a key there is nothing to remember.

    for_ever: where money moves, a key acts once and never again; elsewhere it is kept for two days.
    """
    if idempotency is None:
        return
    entry = _entry_of(model.Meta.env)  # type: ignore[attr-defined]
    now = int(time.time())
    item = entry(
        pk=_pk(idempotency),
        sk="ANSWER",
        expires_at=None if for_ever else now + KEPT_SECONDS,
        fingerprint=idempotency.fingerprint,
        answer=orjson.dumps(answer).decode(),
    )
    tx.put(item, condition=entry.pk.does_not_exist() | (entry.expires_at < now), lost=AlreadyDone)


def replay(model: type[Item], idempotency: Idempotency) -> dict[str, Any]:
    """The answer that the first delivery stored. Raises KeyReused when the first had another body."""
    entry = _entry_of(model.Meta.env)  # type: ignore[attr-defined]
    try:
        item = entry.get(_pk(idempotency), "ANSWER", consistent_read=True)
    except DoesNotExist:
        raise Conflict("This request is still being done; ask again.", retry_after=1) from None
    if item.fingerprint != idempotency.fingerprint:
        message = "was used for another request"
        raise KeyReused(f"Idempotency-Key: {message}", fields=(FieldError("Idempotency-Key", message),))
    answer: dict[str, Any] = orjson.loads(item.answer)
    return answer


def _pk(idempotency: Idempotency) -> str:
    digest = hashlib.sha256(f"{idempotency.route}\x1f{idempotency.key}".encode()).hexdigest()
    return f"{idempotency.tenant}#IDEMPOTENCY#{digest}"


@cache
def _entry_of(table: str) -> Any:
    class AnswerItem(Item):
        class Meta(Table):
            env = table

        fingerprint = UnicodeAttribute()
        answer = UnicodeAttribute()

    return AnswerItem
