"""One TransactWriteItems: every write carries its condition, and each condition says what its loss means.

    with transaction(RentalItem) as tx:
        tx.put(rental, condition=RentalItem.version == 3, lost=StaleVersion())
        tx.put(outbox_item(RentalItem, event), condition=..., lost=...)

All or nothing, at most 100 items. Conflicts with other transactions and throttling are tried again with full
jitter; a token that DynamoDB remembers for ten minutes makes the second sending of a lost answer harmless.
What many write to at once (an account) is given more patience: `transaction(Item, backoff=PATIENT)`.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from gpubroker.kernel import deadline
from gpubroker.kernel.errors import Conflict, Unavailable
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.refusals import code_of
from gpubroker.storage.refusals import lost_condition as lost_condition
from gpubroker.storage.table import Item


@dataclass(frozen=True, slots=True)
class Told:
    """What the loss of a condition means, told by the item that stood in the way: `told(attributes)`, in DynamoDB's
    JSON, or None where there is no item."""

    told: Callable[[dict[str, Any] | None], Exception]


Lost = Exception | type[Exception] | Told

_BACKOFF = Backoff(base_s=0.02, cap_s=0.5, tries=5)
PATIENT = Backoff(base_s=0.02, cap_s=1.0, tries=20)
"""For an item that fifty writers want at once, of which DynamoDB lets one through at a time (some seven seconds in
all, never past the deadline of the invocation)."""
_TRY_AGAIN = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
_THROTTLED = {"ThrottlingException", "ProvisionedThroughputExceededException", "TransactionInProgressException"}


class StaleVersion(Conflict):
    """Another writer was first."""

    code = "changed-meanwhile"
    title = "This was changed by someone else meanwhile; read it again"


class AlreadyDone(Conflict):
    """This very request took effect before; its stored answer is to be replayed (storage/idempotency.py)."""

    code = "already-done"


class Writes:
    """The entries of one transaction, in DynamoDB's order: checks, deletes, puts, updates."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[Callable[[TransactWrite], None], Lost]]] = {
            "check": [],
            "delete": [],
            "put": [],
            "update": [],
        }

    def put(self, item: Item, *, condition: Condition | None = None, lost: Lost = StaleVersion) -> None:
        wanted = ALL_OLD if isinstance(lost, Told) else None
        self._entries["put"].append((lambda tx: tx.save(item, condition=condition, return_values=wanted), lost))

    def update(
        self, item: Item, *, actions: list[Action], condition: Condition | None = None, lost: Lost = StaleVersion
    ) -> None:
        wanted = ALL_OLD if isinstance(lost, Told) else None
        self._entries["update"].append(
            (lambda tx: tx.update(item, actions=actions, condition=condition, return_values=wanted), lost)
        )

    def delete(self, item: Item, *, condition: Condition | None = None, lost: Lost = StaleVersion) -> None:
        self._entries["delete"].append((lambda tx: tx.delete(item, condition=condition), lost))

    def check(self, item: Item, condition: Condition, *, lost: Lost = StaleVersion) -> None:
        self._entries["check"].append(
            (lambda tx: tx.condition_check(type(item), item.pk, item.sk, condition=condition), lost)
        )

    def _ordered(self) -> list[tuple[Callable[[TransactWrite], None], Lost]]:
        return [entry for kind in ("check", "delete", "put", "update") for entry in self._entries[kind]]

    def commit(
        self, connection: Connection, *, backoff: Backoff = _BACKOFF, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Send the transaction. Raises the `lost` of the first entry whose condition failed; Unavailable when
        conflicts or throttling outlast the tries or the deadline: then nothing was written."""
        entries = self._ordered()
        if not entries:
            return
        token = str(uuid.uuid4())
        for attempt in range(backoff.tries):
            write = TransactWrite(connection=connection, client_request_token=token)
            for add, _ in entries:
                add(write)
            try:
                write._commit()
                return
            except TransactWriteError as error:
                if not _may_pass(error, [lost for _, lost in entries]):
                    raise
                failure = error
            wait = backoff.wait(attempt)
            if attempt + 1 == backoff.tries or wait >= deadline.left():
                break
            sleep(wait)
        raise Unavailable("The store is busy; try again.", retry_after=1) from failure


def _may_pass(error: TransactWriteError, losses: list[Lost]) -> bool:
    """Whether trying again may help. Raises what a failed condition means."""
    reasons = error.cancellation_reasons
    codes = [reason.code if reason else None for reason in reasons]
    lost = [
        loss.told(reason.raw_item) if isinstance(loss, Told) else loss
        for reason, loss in zip(reasons, losses, strict=False)
        if reason is not None and reason.code == "ConditionalCheckFailed"
    ]
    if lost:
        # A repeated request fails other conditions too (its own effect stands in the way): that it is one decides.
        repeated = [loss for loss in lost if _is_repetition(loss)]
        raise (repeated or lost)[0] from error
    return any(code in _TRY_AGAIN for code in codes) or code_of(error) in _THROTTLED


def _is_repetition(loss: Exception | type[Exception]) -> bool:
    return issubclass(loss if isinstance(loss, type) else type(loss), AlreadyDone)


@contextmanager
def transaction(model: type[Item], *, backoff: Backoff = _BACKOFF) -> Iterator[Writes]:
    """Collect writes; commit when the block ends without an exception. `model` says which connection is used."""
    writes = Writes()
    yield writes
    writes.commit(model._get_connection().connection, backoff=backoff)
