"""What may be asked of discounts and promotions."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from gpubroker.billing.amounts import Percentage, PositiveAmount
from gpubroker.billing.discounts.discount import Duration, Terms
from gpubroker.billing.discounts.promotion import CODE_PATTERN
from gpubroker.billing.resources import Resource
from gpubroker.kernel.money import micros
from gpubroker.kernel.schemas import RequestModel

Code = Annotated[str, Field(pattern=CODE_PATTERN, examples=["LAUNCH-50"])]
Reason = Annotated[str, Field(max_length=500, description="for the audit")]


def known_as(code: str) -> str:
    """A code as it is kept: case does not matter."""
    return code.upper()


class TermsRequest(RequestModel):
    percentage: Percentage | None = Field(None, description="over 0, at most 100; either this or amount")
    amount: PositiveAmount | None = Field(None, description="USD off a month; either this or percentage")
    resources: list[Resource] = Field(default_factory=list, max_length=5, description="any by default")
    duration: Duration = Field("once", description="the first month that has it, `months` months, or for ever")
    months: int | None = Field(None, ge=1, le=120, description="with the duration months")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.percentage is None) == (self.amount is None):
            raise ValueError("needs either percentage or amount")
        if (self.duration == "months") != (self.months is not None):
            raise ValueError("months is given with the duration months, and only then")
        return self

    def terms(self) -> Terms:
        exact: Decimal | None = self.percentage
        return Terms(
            percentage=exact,
            amount=None if self.amount is None else micros(self.amount),
            resources=tuple(dict.fromkeys(self.resources)),
            duration=self.duration,
            months=self.months,
        )


class _Dates(TermsRequest):
    starts_at: AwareDatetime | None = Field(None, description="now by default")
    ends_at: AwareDatetime | None = Field(None, description="never by default")
    reason: Reason | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must come after starts_at")
        return self


class DiscountRequest(_Dates):
    """A discount for one account."""

    name: str = Field(min_length=1, max_length=100, description="how it is called on invoices")


class PromotionRequest(_Dates):
    """A code that gives whoever redeems it a discount, between its dates, so many times."""

    code: Code
    name: str = Field("", max_length=100, description="how the discount is called on invoices; the code by default")
    max_redemptions: int | None = Field(
        None, ge=1, le=10**9, description="by accounts in all; without limit by default"
    )
