"""Holds: money that is spoken for, and what may become of it. Pure rules; the states are drawn in docs/ledger.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso, parse_iso
from gpubroker.ledger.accounts import kind_of
from gpubroker.ledger.problems import HoldExceeded, HoldExpired, HoldResolved
from gpubroker.ledger.transfers import check_amount, check_id, check_reference, fingerprint


class HoldState(StrEnum):
    ACTIVE = "active"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class BudgetCharge:
    """A budget that a hold counts against, in the hold's own transaction.

    key     whose budget: `org_1`, `org_1/usr_2`
    period  which of its counters: `2026-05`; a hold stays with the period in which it was placed
    limit   micro-dollars that may be held and spent in the period
    """

    key: str
    period: str
    limit: MicroUsd


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What counts against a budget in a period: what is held or was spent (`used`), and what was spent of that."""

    used: MicroUsd
    spent: MicroUsd


@dataclass(frozen=True, slots=True)
class NewHold:
    """Money of an account to be held.

    hold_id     acts once for ever
    expires_at  from this moment on the hold is as good as voided; None: it stays until it is resolved
    budget      counted beside the account; no part of the hold's body when an id comes a second time
    """

    hold_id: str
    account_id: str
    amount: MicroUsd
    expires_at: datetime | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    budget: tuple[BudgetCharge, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldFunds:
    """A hold as it is now.

    amount    what is held: 0 once it is resolved
    captured  what was posted of it
    """

    hold_id: str
    account_id: str
    state: HoldState
    amount: MicroUsd
    captured: MicroUsd
    placed_at: datetime
    expires_at: datetime | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    budget: tuple[BudgetCharge, ...] = ()
    capture_id: str | None = None
    resolved_at: datetime | None = None
    version: int = 1

    def is_over(self, now: datetime) -> bool:
        """Whether it holds nothing any more, swept or not."""
        return self.state is not HoldState.ACTIVE or self.is_past(now)

    def is_past(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def check(hold: NewHold) -> None:
    """Raises Invalid, which names the field, where a hold could never be placed."""
    check_id("hold_id", hold.hold_id)
    kind_of(hold.account_id)
    check_amount("amount", hold.amount)
    check_reference(hold.reference)
    if len({(one.key, one.period) for one in hold.budget}) < len(hold.budget):
        raise Invalid.of("budget", "must name each budget once")
    for number, one in enumerate(hold.budget):
        check_id(f"budget.{number}.key", one.key)
        check_id(f"budget.{number}.period", one.period)
        check_amount(f"budget.{number}.limit", one.limit)


def fingerprint_of(hold: NewHold) -> str:
    """The budget is left out: it is the circumstances of a hold, and may have been changed when the id comes again."""
    until = None if hold.expires_at is None else iso(hold.expires_at)
    return fingerprint("hold", hold.account_id, hold.amount, until, dict(hold.reference))


def placed(hold: NewHold, *, now: datetime) -> HeldFunds:
    """The hold as it is from now on. Its end is kept to the millisecond."""
    return HeldFunds(
        hold.hold_id,
        hold.account_id,
        HoldState.ACTIVE,
        hold.amount,
        0,
        now,
        None if hold.expires_at is None else parse_iso(iso(hold.expires_at)),
        hold.reference,
        hold.budget,
    )


def must_be_active(hold: HeldFunds, *, now: datetime) -> None:
    """Raises HoldResolved or HoldExpired. The clock decides, not whether a sweep has come by (I6)."""
    if hold.state in (HoldState.CAPTURED, HoldState.VOIDED):
        raise HoldResolved(f"The hold {hold.hold_id} was {hold.state} before.")
    if hold.is_over(now):
        raise HoldExpired(f"The hold {hold.hold_id} has expired.")


def adjusted(
    hold: HeldFunds,
    amount: MicroUsd,
    *,
    expires_at: datetime | None = None,
    budget: tuple[BudgetCharge, ...] = (),
    now: datetime,
) -> HeldFunds:
    """The hold with another amount, and where given another end and new limits of the budgets it counts against."""
    must_be_active(hold, now=now)
    limits = {(one.key, one.period): one for one in budget}
    return replace(
        hold,
        amount=amount,
        expires_at=expires_at or hold.expires_at,
        budget=tuple(limits.get((one.key, one.period), one) for one in hold.budget),
        version=hold.version + 1,
    )


def captured(hold: HeldFunds, capture_id: str, amount: MicroUsd, *, now: datetime) -> HeldFunds:
    must_be_active(hold, now=now)
    if amount > hold.amount:
        raise HoldExceeded(
            f"amount: {amount} micro-dollars are more than the {hold.amount} that are held",
            fields=Invalid.of("amount", f"must be at most {hold.amount}").fields,
        )
    return replace(
        hold,
        state=HoldState.CAPTURED,
        amount=0,
        captured=amount,
        capture_id=capture_id,
        resolved_at=now,
        version=hold.version + 1,
    )


def released(hold: HeldFunds, *, now: datetime) -> HeldFunds:
    """Voided, or expired where its end has come: releasing what is released changes nothing.

    Raises HoldResolved for one that was captured.
    """
    if hold.state is HoldState.CAPTURED:
        raise HoldResolved(f"The hold {hold.hold_id} was captured before.")
    if hold.state is not HoldState.ACTIVE:
        return hold
    state = HoldState.EXPIRED if hold.is_past(now) else HoldState.VOIDED
    return replace(hold, state=state, amount=0, resolved_at=now, version=hold.version + 1)
