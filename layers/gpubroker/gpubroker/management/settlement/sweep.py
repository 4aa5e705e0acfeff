"""Each minute: settlements that are overdue, and bank files that nobody has confirmed."""

from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import overdue
from gpubroker.management.settlement.findings import Findings
from gpubroker.management.settlement.payouts import file as files
from gpubroker.management.settlement.payouts.file import BankFile, FileState
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.workflow import Workflows, told_to


class Sweep:
    def __init__(self, *, settlements: Settlements, workflows: Workflows, bank_files: BankFiles, clock: Clock):
        self._settlements, self._workflows = settlements, workflows
        self._files, self._clock = bank_files, clock

    def run(self) -> Findings:
        """One settlement's trouble never costs the others; it stays due and comes again."""
        findings = Findings()
        for buyer, transaction_id in self._settlements.due(self._clock()):
            try:
                self._attend(buyer, transaction_id, findings)
            except Exception as error:
                findings.failed(transaction_id, error)
        for file in self._files.due(self._clock()):
            try:
                self._ask_after(file, findings)
            except Exception as error:
                findings.failed(file.file_id, error)
        return findings

    def _attend(self, buyer: str, transaction_id: str, findings: Findings) -> None:
        """Start its workflow anew unless it runs. An execution is named before it is started, so it starts once."""
        settlement, now = self._settlements.of(buyer, transaction_id), self._clock()
        if settlement.due_at is None or settlement.due_at > now:
            return  # the index lags
        if overdue.stuck(settlement, now):
            findings.note("stuck", transaction_id)
        if self._workflows.running(settlement.execution):
            self._settlements.change(buyer, transaction_id, lambda one: overdue.left_alone(one, self._clock()))
            findings.note("left_alone", transaction_id)
            return
        again = self._settlements.change(buyer, transaction_id, lambda one: overdue.started_anew(one, self._clock()))
        if not again.state.at_rest:
            self._workflows.start(again.execution, told_to(again))
            findings.note("started_anew", transaction_id)

    def _ask_after(self, file: BankFile, findings: Findings) -> None:
        """Whether the bank has told of all in a file, as it should have by now; one that was left unwritten is for the
        next daily run."""
        if file.state is not FileState.WRITTEN:
            return
        now = self._clock()
        if any(one.state is PayoutState.FILED for one in self._files.payouts_of(file.file_id)):
            self._files.change(file.file_id, lambda one: files.still_awaited(one, now))
            findings.note("files_unconfirmed", file.file_id)
        else:
            self._files.change(file.file_id, files.confirmed)
            findings.note("files_confirmed", file.file_id)
