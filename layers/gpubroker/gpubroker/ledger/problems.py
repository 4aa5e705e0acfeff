"""What the ledger refuses, and why. Whatever is refused has changed nothing."""

from gpubroker.kernel.errors import Conflict, Invalid, NotFound, PaymentRequired
from gpubroker.storage.transaction import AlreadyDone, StaleVersion


class AccountNotFound(NotFound):
    code = "account-not-found"
    title = "There is no such account"


class AccountFrozen(Conflict):
    code = "account-frozen"
    title = "This account is frozen: it takes no new debits"


class AccountClosed(Conflict):
    code = "account-closed"
    title = "This account is closed"


class InsufficientFunds(PaymentRequired):
    """Less is available than this takes. `account_id` says where: that is not always the caller's account."""

    code = "insufficient-funds"
    title = "There is not enough money on the account"

    account_id: str = ""


class BudgetExceeded(PaymentRequired):
    code = "budget-exceeded"
    title = "This would exceed a budget"


class HoldNotFound(NotFound):
    code = "hold-not-found"
    title = "There is no such hold"


class HoldResolved(Conflict):
    """The hold was captured or voided before, and this asks for something else."""

    code = "hold-resolved"
    title = "This hold was resolved before"


class HoldExpired(Conflict):
    code = "hold-expired"
    title = "This hold has expired"


class HoldExceeded(Invalid):
    code = "hold-exceeded"
    title = "More cannot be captured than is held"


class HoldConflict(Conflict):
    """The hold's id was used for another hold."""

    code = "hold-conflict"
    title = "This id was used for another hold"


class TransferConflict(Conflict):
    """The transfer's id was used with another body."""

    code = "transfer-conflict"
    title = "This id was used for another transfer"


class TransferNotFound(NotFound):
    code = "transfer-not-found"
    title = "There is no such transfer"


class NotReversible(Conflict):
    """A reversal of a reversal: post a new transfer instead."""

    code = "not-reversible"
    title = "This transfer cannot be reversed"


class ReversalExceedsTransfer(Conflict):
    code = "reversal-exceeds-transfer"
    title = "More cannot be reversed than was transferred"


class TransferExists(AlreadyDone):
    """A transaction that was joined (add_transfer, add_capture): the transfer's id has acted before."""

    code = "transfer-exists"


class HoldExists(AlreadyDone):
    """A transaction that was joined (add_hold): the hold's id has acted before."""

    code = "hold-exists"


class HoldChanged(StaleVersion):
    """Another writer changed the hold between the read and the write: read again, try again."""
