"""Once a day: what waits goes into bank files. A run that dies leaves a file that the next run finishes."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol

from gpubroker.kernel.time import Clock
from gpubroker.management.settlement.findings import Findings
from gpubroker.management.settlement.payouts import file as files
from gpubroker.management.settlement.payouts import pain001
from gpubroker.management.settlement.payouts.file import BankFile, FileClosed, FileState
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.management.settlement.payouts.pain001 import Debtor
from gpubroker.management.settlement.payouts.payout import Payout
from gpubroker.storage.transaction import StaleVersion

MOST_PAYOUTS = 4000
"""Of one run (it lives 15 minutes, a payout takes some 30 ms); the next run takes the rest."""


class Shelf(Protocol):
    def put(self, key: str, body: bytes) -> None: ...


class S3Shelf:
    """The bucket that the bank's connection fetches files from."""

    def put(self, key: str, body: bytes) -> None:
        _client().put_object(Bucket=os.environ["PAYOUT_FILES"], Key=key, Body=body, ContentType="application/xml")


@cache
def _client() -> Any:
    import boto3

    return boto3.client("s3")


class Batch:
    def __init__(
        self, *, bank_files: BankFiles, shelf: Shelf, debtor: Debtor, clock: Clock, new_file_id: Callable[[], str]
    ):
        self._files, self._shelf, self._debtor = bank_files, shelf, debtor
        self._clock, self._new_file_id = clock, new_file_id

    def run(self) -> Findings:
        """Finish what an earlier run left, then file what waits. One payout's trouble never costs the others."""
        findings = Findings()
        for left in self._files.due(self._clock()):
            if left.state in (FileState.OPEN, FileState.CLOSED):
                self._finish(left.file_id, findings)
        waiting = self._files.waiting(self._clock(), limit=MOST_PAYOUTS // 8)
        for payout in waiting:
            file = self._files.open(files.opened(self._new_file_id(), self._clock()))
            self._fill(file, payout, waiting, findings)
            self._finish(file.file_id, findings)
        return findings

    def _fill(self, file: BankFile, payout: Payout | None, rest: Iterator[Payout], findings: Findings) -> None:
        while payout is not None:
            try:
                file = self._files.put_in(file, payout, self._clock())
                findings.note("filed", payout.payout_id)
            except FileClosed:  # another run took it for left over, and finished it
                return
            except StaleVersion:  # this payout was changed meanwhile, or the file was
                file = self._files.of(file.file_id)
            except Exception as error:
                findings.failed(payout.payout_id, error)
            if file.entries == files.MOST_ENTRIES or file.state is not FileState.OPEN:
                return
            payout = next(rest, None)

    def _finish(self, file_id: str, findings: Findings) -> None:
        """Close it, write it, say so. Each of these may be done again."""
        closed = self._files.change(file_id, files.closed)
        if closed.state is not FileState.CLOSED:
            return
        body = pain001.rendered(closed, self._files.entries(file_id), self._debtor)
        key, digest = f"payouts/{file_id}.xml", hashlib.sha256(body).hexdigest()
        self._shelf.put(key, body)
        now = self._clock()
        self._files.change(file_id, lambda one: files.written(one, key=key, sha256=digest, now=now))
        findings.note("files_written", file_id)
