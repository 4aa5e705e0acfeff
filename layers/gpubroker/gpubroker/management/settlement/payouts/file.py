"""A bank file: the payouts that go to the bank together. Plain values and pure rules."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.payouts.payout import BankAccount, Payout

MOST_ENTRIES = 1000

FINISH_WITHIN = timedelta(minutes=15)
"""A file that is not written by then was left by a run that died; the next run finishes it."""

CONFIRM_WITHIN = timedelta(days=3)
"""A bank tells within three days what became of each entry; then somebody must ask."""

ASK_AGAIN = timedelta(hours=1)


class FileState(StrEnum):
    """Where a file stands.

    open       payouts are put into it
    closed     complete: nothing more gets in
    written    it lies where the bank's connection fetches it
    confirmed  the bank has told of every entry
    empty      closed with nothing in it, and never written
    """

    OPEN = "open"
    CLOSED = "closed"
    WRITTEN = "written"
    CONFIRMED = "confirmed"
    EMPTY = "empty"


class FileClosed(Conflict):
    code = "payout-file-closed"
    title = "This file takes no more payouts"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a file, fixed when it got in."""

    payout_id: str
    transaction_id: str
    amount: MicroUsd
    bank_account: BankAccount


@dataclass(frozen=True, slots=True)
class BankFile:
    """entries, total: how many payouts are in it, and their sum in micro-dollars."""

    file_id: str
    opened_at: datetime
    state: FileState = FileState.OPEN
    entries: int = 0
    total: MicroUsd = 0
    written_at: datetime | None = None
    key: str | None = None
    sha256: str | None = None
    due_at: datetime | None = None
    version: int = 1


def opened(file_id: str, now: datetime) -> BankFile:
    return BankFile(file_id, now, due_at=now + FINISH_WITHIN)


def entry_of(payout: Payout) -> Entry:
    """Raises ValueError for a payout without a bank account."""
    if payout.bank_account is None:
        raise ValueError(f"{payout.payout_id} has no bank account")
    return Entry(payout.payout_id, payout.transaction_id, payout.amount, payout.bank_account)


def with_entry(file: BankFile, entry: Entry) -> BankFile:
    """Raises FileClosed."""
    if file.state is not FileState.OPEN or file.entries >= MOST_ENTRIES:
        raise FileClosed(file.file_id)
    return replace(file, entries=file.entries + 1, total=file.total + entry.amount, version=file.version + 1)


def closed(file: BankFile) -> BankFile:
    if file.state is not FileState.OPEN:
        return file
    if file.entries == 0:
        return replace(file, state=FileState.EMPTY, due_at=None, version=file.version + 1)
    return replace(file, state=FileState.CLOSED, version=file.version + 1)


def written(file: BankFile, *, key: str, sha256: str, now: datetime) -> BankFile:
    if file.state is not FileState.CLOSED:
        return file
    return replace(
        file,
        state=FileState.WRITTEN,
        written_at=now,
        key=key,
        sha256=sha256,
        due_at=now + CONFIRM_WITHIN,
        version=file.version + 1,
    )


def confirmed(file: BankFile) -> BankFile:
    return replace(file, state=FileState.CONFIRMED, due_at=None, version=file.version + 1)


def still_awaited(file: BankFile, now: datetime) -> BankFile:
    return replace(file, due_at=now + ASK_AGAIN, version=file.version + 1)
