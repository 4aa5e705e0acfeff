"""What may be asked of invoices."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from gpubroker.billing.amounts import Percentage, PositiveAmount
from gpubroker.billing.invoices.period import Period
from gpubroker.kernel.money import MicroUsd, micros
from gpubroker.kernel.schemas import RequestModel

Reason = Annotated[str, Field(min_length=3, max_length=500, description="for the audit")]


class CreditLine(RequestModel):
    line: int = Field(ge=1, le=1_000_000)
    amount: PositiveAmount | None = Field(None, description="USD; all that the line has left by default")


class CreditNoteRequest(RequestModel):
    """What is given back: of some lines, or a percentage of the whole invoice."""

    lines: list[CreditLine] | None = Field(None, min_length=1, max_length=1000)
    percentage: Percentage | None = Field(None, description="over 0, to 100; rounded once and shared out to the lines")
    reason: Reason

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.lines is None) == (self.percentage is None):
            raise ValueError("give lines, or a percentage")
        if self.lines is not None and len({one.line for one in self.lines}) != len(self.lines):
            raise ValueError("a line is named twice")
        return self

    def wanted(self) -> dict[int, MicroUsd | None]:
        return {one.line: None if one.amount is None else micros(one.amount) for one in self.lines or ()}

    def share(self) -> Decimal | None:
        return self.percentage


class VoidRequest(RequestModel):
    reason: Reason


class RunRequest(RequestModel):
    """Make the invoices of a month that is over, of all accounts or of one; of one account also of the month that runs,
    as a final invoice. What was made stays as it is."""

    period: str = Field(examples=["2026-10"])
    account_id: str | None = Field(None, min_length=3, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    reason: Reason

    @field_validator("period")
    @classmethod
    def _month(cls, text: str) -> str:
        return str(Period.parse(text))
