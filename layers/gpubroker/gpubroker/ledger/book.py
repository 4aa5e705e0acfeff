"""The book: double entry on DynamoDB. What other contexts call, behind ports of their own.

Each operation is one transaction, and each has a form `add_...` that joins a transaction of the caller, so that a
rental and its hold, say, are one write. What a joined transaction refuses is raised when it is committed, and it
should be begun as `transaction(Model, backoff=PATIENT)`: an account may be wanted by many at once. Within one
transaction an account may be touched by one `add_...` only (DynamoDB takes one action an item).

    hold      1 transaction                       capture, void, adjust   1 read (the hold) and 1 transaction
    transfer  1 transaction                       reverse                 2 reads (the original) and 1 transaction

An id acts once for ever, not for the ten minutes that DynamoDB remembers a token. What is refused has written
nothing and used up no id: when the reason is gone, the same request may be sent again.
"""

from datetime import datetime

from gpubroker.ledger import activity
from gpubroker.ledger.accounts import Account, Balance
from gpubroker.ledger.activity import Entry
from gpubroker.ledger.holds import BudgetCharge, BudgetUse, HeldFunds, NewHold
from gpubroker.ledger.keeping_transfers import KeepsTransfers
from gpubroker.ledger.transfers import Leg, Receipt, Transfer

__all__ = [
    "Account",
    "Balance",
    "Book",
    "BudgetCharge",
    "BudgetUse",
    "Entry",
    "HeldFunds",
    "Leg",
    "NewHold",
    "Receipt",
    "Transfer",
]


class Book(KeepsTransfers):
    """Accounts (keeping_accounts), their holds (keeping_holds), transfers (keeping_transfers), and what happened.

    All amounts are micro-dollars. `clock` gives the moments of postings and decides whether a hold has expired.
    """

    def activity(
        self,
        account_id: str,
        *,
        limit: int,
        before: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Entry]:
        """Entries of an account, the newest first: from before the `place` of one that was read, in [since, until).

        One query (one for each shard of a house account). An account without entries, or unknown, has none.
        """
        return activity.entries(account_id, limit=limit, before=before, since=since, until=until)

    def holds_of(self, account_id: str, *, limit: int, before: str | None = None) -> list[HeldFunds]:
        """Holds of an account in whatever state, from the greatest id down (ids of rentals sort by time), from before
        the id of one that was read. One query."""
        return activity.holds(account_id, limit=limit, before=before)
