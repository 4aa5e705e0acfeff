"""What settlement needs of the ledger (joined in composition/settlement.py), and a transaction as it sees it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.movements import Movement
from gpubroker.management.settlement.settlement import Funding
from gpubroker.management.settlement.shares import Shares

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gpubroker.storage.transaction import Writes


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

    def release_expired(self, account: str) -> bool:
        """Let go of holds past their end that nobody has swept yet; whether there were any."""
        ...
