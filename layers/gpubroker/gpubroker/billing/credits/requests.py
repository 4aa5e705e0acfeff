"""What may be asked of credits."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from gpubroker.billing.amounts import PositiveAmount
from gpubroker.billing.credits.grant import Every
from gpubroker.billing.resources import Resource
from gpubroker.kernel.schemas import RequestModel

Reason = Annotated[str, Field(max_length=500, description="for the audit")]


class RecurrenceRequest(RequestModel):
    """The balance is the whole amount again each time; what was left of it is not added."""

    every: Every
    anchor: AwareDatetime | None = Field(None, description="a moment of one of the resets; by default effective_at")


class CreditRequest(RequestModel):
    """Credit for an account: burnt before the account pays anything."""

    amount: PositiveAmount = Field(description="USD", examples=[100])
    name: str = Field("", max_length=100, description="how it is called on invoices")
    priority: int = Field(100, ge=0, le=255, description="the lower number is burnt first")
    effective_at: AwareDatetime | None = Field(None, description="now by default; it may lie in the past")
    expires_at: AwareDatetime | None = Field(None, description="what is left then is forfeited; never by default")
    recurrence: RecurrenceRequest | None = None
    resources: list[Resource] = Field(
        default_factory=list, max_length=5, description="the only ones it pays; any by default"
    )
    reason: Reason | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.effective_at and self.expires_at and self.expires_at <= self.effective_at:
            raise ValueError("expires_at must come after effective_at")
        return self
