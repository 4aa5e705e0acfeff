"""Where bank files are kept. A payout gets into a file in one transaction, which only one file can win."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.management.settlement import facts
from gpubroker.management.settlement.items import BankFileItem, EntryItem, PayoutItem
from gpubroker.management.settlement.payouts import file as files
from gpubroker.management.settlement.payouts.file import BankFile, Entry
from gpubroker.management.settlement.payouts.payout import Payout, PayoutState, filed
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, transaction

_TRIES = 8


class BankFileNotFound(NotFound):
    code = "payout-file-not-found"
    title = "There is no such payout file"


class BankFiles:
    def waiting(self, now: datetime, *, limit: int) -> Iterator[Payout]:
        """Payouts that wait for a file, the oldest of each shard first; the items themselves say that they wait."""
        keys = list(PayoutItem.due_by(now, limit=limit))
        for item in PayoutItem.batch_get(keys, consistent_read=True):
            payout = item.value()
            if payout.state is PayoutState.INSTRUCTED:
                yield payout

    def due(self, now: datetime) -> Iterator[BankFile]:
        """Files that somebody must finish or ask about by now."""
        keys = list(BankFileItem.due_by(now, limit=50))
        for item in BankFileItem.batch_get(keys, consistent_read=True):
            yield item.value()

    def of(self, file_id: str) -> BankFile:
        """Raises BankFileNotFound."""
        try:
            return BankFileItem.get(*BankFileItem.key(file_id), consistent_read=True).value()
        except DoesNotExist:
            raise BankFileNotFound(f"There is no payout file {file_id}.") from None

    def newest(self, limit: int, *, before: str | None = None) -> list[BankFile]:
        """The newest first, from before the file id `before` on."""
        partition = BankFileItem.key("")[0]
        condition = BankFileItem.sk < before if before else None
        found = BankFileItem.query(
            partition, condition, scan_index_forward=False, limit=limit, page_size=limit, consistent_read=True
        )
        return [item.value() for item in found]

    def entries(self, file_id: str) -> Iterator[Entry]:
        for item in EntryItem.query(EntryItem.partition(file_id), consistent_read=True):
            yield item.value()

    def payouts_of(self, file_id: str) -> Iterator[Payout]:
        """The payouts of a file, as they are now."""
        keys = [PayoutItem.key(entry.payout_id) for entry in self.entries(file_id)]
        for item in PayoutItem.batch_get(keys, consistent_read=True):
            yield item.value()

    def open(self, file: BankFile) -> BankFile:
        with transaction(BankFileItem) as tx:
            tx.put(BankFileItem.of(file), condition=BankFileItem.pk.does_not_exist())
        return file

    def put_in(self, file: BankFile, payout: Payout, now: datetime) -> BankFile:
        """The payout into the file, or neither changed. Raises FileClosed, and StaleVersion when either was changed by
        another (a payout that was cancelled, or filed elsewhere)."""
        entry = files.entry_of(payout)
        after, changed = files.with_entry(file, entry), filed(payout, file.file_id, now)
        told = facts.payout_changed(changed, now).event()
        with transaction(BankFileItem) as tx:
            tx.put(BankFileItem.of(after), condition=BankFileItem.version == file.version)
            tx.put(PayoutItem.of(changed), condition=PayoutItem.version == payout.version)
            tx.put(EntryItem.of(file.file_id, entry), condition=EntryItem.pk.does_not_exist())
            tx.put(outbox_item(BankFileItem, told, source="management"))
        return after

    def change(self, file_id: str, rule: Callable[[BankFile], BankFile]) -> BankFile:
        """Read, apply a rule, write with the version as the condition; again when another writer was first."""
        for _ in range(_TRIES):
            before = self.of(file_id)
            after = rule(before)
            if after is before:
                return before
            after = replace(after, version=before.version + 1)
            try:
                with transaction(BankFileItem) as tx:
                    tx.put(BankFileItem.of(after), condition=BankFileItem.version == before.version)
            except StaleVersion:
                continue
            return after
        raise Unavailable(f"{file_id} is changing too fast; try again.", retry_after=1)
