"""What administrators and the bank's connection may do with payees, payouts and bank files."""

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, Invalid
from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import facts
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.management.settlement.payouts.pain001 import our_id
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.ports import FundsRefused
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.requests import PayeeRequest, PayoutResult
from gpubroker.management.settlement.results import heard
from gpubroker.management.settlement.views import BankFilePage, BankFileView, PayeeView, PayoutView


class PayoutResultNotBooked(Conflict):
    code = "payout-result-not-booked"
    title = "The ledger does not take this result"


class PayoutDesk:
    def __init__(self, *, settlements: Settlements, bank_files: BankFiles, clock: Clock):
        self._settlements, self._files, self._clock = settlements, bank_files, clock

    def payee(self, seller: str) -> PayeeView:
        _require_seller(seller)
        return PayeeView.of(self._settlements.payee(seller), self._settlements.owed_by(seller))

    def set_payee(self, caller: Caller, seller: str, wanted: PayeeRequest) -> PayeeView:
        """How a seller is paid from now on; payouts that were instructed go where they were to go."""
        _require_seller(seller)
        before = self._settlements.payee(seller)
        account = wanted.bank_account.value() if wanted.bank_account else None
        payee = Payee(seller, wanted.method, account, before.version)
        saved = self._settlements.save_payee(payee, facts.payee_changed(payee, caller.subject, self._clock()))
        return PayeeView.of(saved, self._settlements.owed_by(seller))

    def result(self, payout_id: str, told: PayoutResult) -> PayoutView:
        """What the bank says of a payout, which it may name as its file does; told again, nothing happens.

        Raises PayoutNotFound, PayoutResultRefused.
        """
        result = PayoutState(told.status)
        try:
            payout = self._settlements.change_payout(
                our_id(payout_id),
                lambda one: heard(one, result, self._clock(), reference=told.bank_reference, reason=told.reason),
            )
        except FundsRefused as refused:
            raise PayoutResultNotBooked(refused.detail, reason=refused.code) from refused
        return PayoutView.of(payout)

    def file(self, file_id: str) -> BankFileView:
        """A file with all that is in it, at most a thousand payouts. Raises BankFileNotFound."""
        return BankFileView.of(self._files.of(file_id), list(self._files.payouts_of(file_id)))

    def files(self, limit: int, before: str | None) -> tuple[BankFilePage, str | None]:
        """The newest files first, and where to go on."""
        found = self._files.newest(limit + 1, before=before)
        onward = found[limit - 1].file_id if len(found) > limit else None
        return BankFilePage(files=[BankFileView.of(one) for one in found[:limit]]), onward


def _require_seller(seller: str) -> None:
    if not seller.startswith("seller:") or len(seller) == len("seller:"):
        raise Invalid.of("seller", "must be a seller's account: seller:<name>")
