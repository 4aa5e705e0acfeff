"""What invoices need of others: what was used, and a ledger that moves the money."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from gpubroker.kernel.money import MicroUsd
from gpubroker.storage.transaction import Writes


@dataclass(frozen=True, slots=True)
class UsageHour:
    """What one instance used in one hour (its start, UTC): by resource in the meter's units, of how many events; the
    revision goes up whenever an event is added to it."""

    instance_id: str
    hour: datetime
    quantities: Mapping[str, Decimal | int]
    events: int
    revision: int


class Usage(Protocol):
    """Usage as billing sees it. An account is a user's (what was used for no organisation) or an organisation's."""

    def hours(self, account_id: str, start: datetime, end: datetime) -> Iterable[UsageHour]:
        """Every instance-hour of [start, end) that the account pays for."""
        ...

    def events(self, instance_id: str, hour: datetime) -> Sequence[Mapping[str, Any]]:
        """The raw events of an instance-hour as they were taken, each with `event_id`, `received_at` and `user_id`."""
        ...

    def complete_until(self) -> datetime | None:
        """Up to when nothing is still on its way; None where it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Leg:
    debit: str
    credit: str
    amount: MicroUsd


class Ledger(Protocol):
    """Double entry: what is moved leaves one account and reaches another, once for an id.

    refusals  what a transaction raises when it is committed and an account cannot pay: too little is there, or it is
              frozen, closed or unknown. Nothing has been written then.
    """

    @property
    def refusals(self) -> tuple[type[Exception], ...]: ...

    def available(self, account_id: str) -> MicroUsd:
        """What may be taken from an account's own money now; never negative, and without its credit limit."""
        ...

    def add(self, tx: Writes, transfer_id: str, kind: str, legs: Sequence[Leg], reference: Mapping[str, str]) -> None:
        """Add a transfer to a transaction: it is posted with it, or not at all."""
        ...
