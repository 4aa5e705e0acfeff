"""What settlement asks of the ledger, as values: made by the rules, added to the writer's transaction by a port.

Account ids: a user or an organisation by its id, `seller:<name>`, `escrow:<order id>`, and the house's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gpubroker.kernel.money import MicroUsd

FEES = "house:fees"
CLEARING = "house:clearing"
"""The outside world: the bank."""
RECEIVABLES = "house:receivables"
"""What sellers owe the house, as a negative balance: paid to buyers before the sellers had it."""


def escrow_of(order_id: str) -> str:
    """The account that holds an order's money between capture and settlement."""
    return f"escrow:{order_id}"


@dataclass(frozen=True, slots=True)
class Leg:
    """`amount` micro-dollars (over 0) from the account `debit` to the account `credit`."""

    debit: str
    credit: str
    amount: MicroUsd


@dataclass(frozen=True, slots=True)
class Hold:
    """Set an amount of an account's balance aside. Refused where it is not available."""

    hold_id: str
    account: str
    amount: MicroUsd
    reference: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capture:
    """Move what a hold set aside to another account; the hold is over."""

    hold_id: str
    account: str
    capture_id: str
    amount: MicroUsd
    to: str


@dataclass(frozen=True, slots=True)
class Void:
    """Give a hold back whole."""

    hold_id: str
    account: str


@dataclass(frozen=True, slots=True)
class Post:
    """One transfer of several legs, all or nothing."""

    transfer_id: str
    kind: str
    legs: tuple[Leg, ...]
    reference: Mapping[str, str] = field(default_factory=dict)


Movement: TypeAlias = Hold | Capture | Void | Post


def legs(*wanted: Leg) -> tuple[Leg, ...]:
    """The legs that move anything."""
    return tuple(leg for leg in wanted if leg.amount > 0)
