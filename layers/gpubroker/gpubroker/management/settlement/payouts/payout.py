"""A payout: one seller's money on its way out of the house. Plain values and pure rules."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd


class PayoutState(StrEnum):
    """Where a payout stands.

    kept        it stays on the seller's account: nothing more will happen
    instructed  taken from the account, waiting for the next bank file; may be cancelled
    filed       in exactly one bank file; the bank's word is awaited
    paid        the bank says that it arrived
    returned    the bank sent it back, and it is on the seller's account again
    cancelled   taken back before it was in any file
    """

    KEPT = "kept"
    INSTRUCTED = "instructed"
    FILED = "filed"
    PAID = "paid"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class PayoutNotCancellable(Conflict):
    code = "payout-not-cancellable"
    title = "This payout has left already"


class PayoutResultRefused(Conflict):
    code = "payout-result-refused"
    title = "This payout's state does not allow that result"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where a seller's money goes. Either `iban`, or `account_number` and `routing_number` (ABA)."""

    name: str
    iban: str | None = None
    bic: str | None = None
    account_number: str | None = None
    routing_number: str | None = None

    @property
    def masked(self) -> str:
        """The last four characters: enough to know it again."""
        return "*" * 4 + (self.iban or self.account_number or "")[-4:]


@dataclass(frozen=True, slots=True)
class Payout:
    """number: the how-manieth payout of its settlement. amount: micro-dollars; in a bank file always whole cents."""

    payout_id: str
    settlement_id: str
    transaction_id: str
    buyer: str
    seller: str
    method: str
    amount: MicroUsd
    number: int
    state: PayoutState
    made_at: datetime
    changed_at: datetime
    bank_account: BankAccount | None = None
    file_id: str | None = None
    bank_reference: str | None = None
    reason: str | None = None
    version: int = 1


def cancelled(payout: Payout, now: datetime) -> Payout:
    """Raises PayoutNotCancellable once it is in a file."""
    if payout.state is PayoutState.CANCELLED:
        return payout
    if payout.state is not PayoutState.INSTRUCTED:
        raise PayoutNotCancellable(f"{payout.payout_id} is {payout.state.value}.")
    return _changed(payout, PayoutState.CANCELLED, now)


def filed(payout: Payout, file_id: str, now: datetime) -> Payout:
    """Into a file: only what waits for one, so into one file at most."""
    if payout.state is not PayoutState.INSTRUCTED:
        raise PayoutNotCancellable(f"{payout.payout_id} is {payout.state.value}.")
    return replace(_changed(payout, PayoutState.FILED, now), file_id=file_id)


def told_by_bank(
    payout: Payout, result: PayoutState, now: datetime, *, reference: str | None, reason: str | None
) -> Payout:
    """What the bank says: `paid`, or `returned`, which may also come after `paid`. The same word again changes nothing.

    Raises PayoutResultRefused for a payout that is in no file, and for `paid` after `returned`.
    """
    if payout.state is result:
        return payout
    before = {PayoutState.PAID: (PayoutState.FILED,), PayoutState.RETURNED: (PayoutState.FILED, PayoutState.PAID)}
    if payout.state not in before[result]:
        raise PayoutResultRefused(f"{payout.payout_id} is {payout.state.value}: it cannot become {result.value}.")
    changed = _changed(payout, result, now)
    return replace(changed, bank_reference=reference or payout.bank_reference, reason=reason)


def _changed(payout: Payout, state: PayoutState, now: datetime) -> Payout:
    return replace(payout, state=state, changed_at=now, version=payout.version + 1)
