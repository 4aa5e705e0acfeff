"""Credits as their owners see them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gpubroker.billing.amounts import told
from gpubroker.billing.credits.credit import Credit
from gpubroker.billing.credits.grant import Every
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso

Status = Literal["scheduled", "active", "used", "expired", "voided"]


class RecurrenceView(View):
    every: Every
    anchor: str


class CreditView(View):
    """balance is what is left of it now, or of this recurrence of it; 0 once it is over."""

    credit_id: str
    account_id: str
    name: str
    status: Status
    currency: str = "USD"
    amount: float
    amount_micros: int
    balance: float
    balance_micros: int
    priority: int
    effective_at: str
    expires_at: str | None
    voided_at: str | None
    created_at: str
    recurrence: RecurrenceView | None
    resources: list[str] = Field(description="the only ones it pays; empty: any")

    @classmethod
    def of(cls, credit: Credit, now: datetime) -> "CreditView":
        grant = credit.grant
        status = _status(credit, now)
        balance = 0 if status in ("expired", "voided") else credit.balance(max(now, grant.effective_at))
        return cls(
            credit_id=credit.credit_id,
            account_id=credit.account_id,
            name=credit.name,
            status=status,
            **told("amount", grant.amount),
            **told("balance", balance),
            priority=grant.priority,
            effective_at=iso(grant.effective_at),
            expires_at=iso(grant.expires_at) if grant.expires_at else None,
            voided_at=iso(grant.voided_at) if grant.voided_at else None,
            created_at=iso(grant.created_at),
            recurrence=RecurrenceView(every=grant.recurrence.every, anchor=iso(grant.recurrence.anchor))
            if grant.recurrence
            else None,
            resources=list(grant.resources),
        )


class CreditPage(View):
    """Credits, the newest first; `next_cursor` is null on the last page."""

    credits: list[CreditView]
    next_cursor: str | None


def _status(credit: Credit, now: datetime) -> Status:
    grant = credit.grant
    if grant.voided_at is not None:
        return "voided"
    if now >= grant.ends_at:
        return "expired"
    if now < grant.effective_at:
        return "scheduled"
    return "active" if credit.balance(now) > 0 else "used"
