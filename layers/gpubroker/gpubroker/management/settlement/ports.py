"""What settlement needs of others: the ledger, and what management knows of transactions and volumes.

The adapters are joined in composition/management.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.movements import Movement
from gpubroker.management.settlement.settlement import Funding
from gpubroker.management.settlement.shares import Shares

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from gpubroker.storage.transaction import Writes


class TransactionNotFound(NotFound):
    code = "transaction-not-found"
    title = "There is no such transaction"


class NotSettleable(Conflict):
    """The transaction is open, failed, reversed, or over nothing."""

    code = "transaction-not-settleable"
    title = "This transaction cannot be settled"


class FundsRefused(Exception):
    """The ledger will not do it, and asking again does not help: no money, no such account, closed or frozen.

    Its text is `<code>: <sentence>`, which is what a workflow is told of an error.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Trade:
    """A transaction as settlement sees it. buyer and seller are account ids; status is management's."""

    transaction_id: str
    order_id: str
    buyer: str
    seller: str
    status: str
    shares: Shares | None
    funding: Funding


class Trades(Protocol):
    def trade(self, transaction_id: str) -> Trade:
        """Two strongly consistent reads. Raises TransactionNotFound."""
        ...

    def add_status(self, tx: "Writes", transaction_id: str, status: str, at: "datetime") -> None:
        """The transaction comes to a status of settlement's, as part of a larger transaction."""
        ...


class Volumes(Protocol):
    def add_settled(self, tx: "Writes", buyer: str, seller: str, amount: MicroUsd, at: "datetime") -> None:
        """Count a settled amount for both (take it off when negative), as part of a larger transaction.

        at: when it was settled, for what is taken off too.
        """
        ...


class Funds(Protocol):
    def add(self, tx: "Writes", movement: Movement) -> None:
        """Add what a movement writes to the transaction."""
        ...

    def refusals(self) -> "AbstractContextManager[None]":
        """Around `add` and the commit: what the ledger refuses is raised as FundsRefused, another writer's movement of
        the same id as StaleVersion."""
        ...

    def available(self, account: str) -> MicroUsd:
        """What can be taken from an account now; 0 for one that is closed, frozen or not there."""
        ...
