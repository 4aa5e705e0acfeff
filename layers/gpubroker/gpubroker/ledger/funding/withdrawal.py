"""Withdrawals: states and moves, pure. The amount is held from the request on.

requested -> approved -> paid        the hold is captured to the outside world
requested | approved -> rejected     by an administrator; the hold is void
requested -> cancelled               by its owner; the hold is void
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.money import MicroUsd


class WithdrawalNotFound(NotFound):
    code = "withdrawal-not-found"
    title = "There is no such withdrawal"


class WithdrawalDecided(Conflict):
    """The state it is in does not lead where it was asked to go."""

    code = "withdrawal-decided"
    title = "This withdrawal is past that decision"


class WithdrawalState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


_MOVES: dict[WithdrawalState, frozenset[WithdrawalState]] = {
    WithdrawalState.REQUESTED: frozenset(
        {WithdrawalState.APPROVED, WithdrawalState.REJECTED, WithdrawalState.CANCELLED}
    ),
    WithdrawalState.APPROVED: frozenset({WithdrawalState.PAID, WithdrawalState.REJECTED}),
}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Its id is its hold's id too. destination: where the money goes, in the owner's words."""

    withdrawal_id: str
    account_id: str
    amount: MicroUsd
    destination: str
    state: WithdrawalState
    requested_at: datetime
    requested_by: str
    decided_by: str | None = None
    reason: str | None = None
    changed_at: datetime | None = None
    version: int = 1


def moved(withdrawal: Withdrawal, to: WithdrawalState, *, by: str, reason: str | None, now: datetime) -> Withdrawal:
    """Go on to a state. Being there already is harmless. Raises WithdrawalDecided."""
    if withdrawal.state is to:
        return withdrawal
    if to not in _MOVES.get(withdrawal.state, frozenset()):
        raise WithdrawalDecided(f"{withdrawal.withdrawal_id} is {withdrawal.state}; it cannot become {to}.")
    return replace(withdrawal, state=to, decided_by=by, reason=reason, changed_at=now)
