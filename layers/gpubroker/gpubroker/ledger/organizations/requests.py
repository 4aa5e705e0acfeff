"""What may be asked of organisations."""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from gpubroker.kernel.money import micros
from gpubroker.kernel.schemas import RequestModel
from gpubroker.ledger.amounts import Limit
from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.organizations.roles import OrgRole

_MOST_ALERTS = 10

Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Numbers Ltd"])]
UserId = Annotated[str, Field(pattern=r"^usr_[0-9A-Z]{26}$", examples=["usr_01J0000000000000000000000A"])]


def _fraction(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    return Decimal(str(value))


Fraction = Annotated[
    Decimal,
    Field(gt=0, le=1, decimal_places=3, allow_inf_nan=False),
    BeforeValidator(_fraction),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "0.8 is 80 % of the limit"}),
]


class BudgetRequest(RequestModel):
    """What a calendar month (UTC) may cost: what is held counts as what is spent."""

    limit: Limit
    alerts: list[Fraction] = Field(
        default_factory=list, max_length=_MOST_ALERTS, description="fractions of the limit at which it is told"
    )

    @field_validator("alerts")
    @classmethod
    def _different(cls, value: list[Decimal]) -> list[Decimal]:
        if len(set(value)) != len(value):
            raise ValueError("names a fraction twice")
        return sorted(value)

    def budget(self) -> Budget:
        return Budget(micros(self.limit), tuple(int(alert * 1000) for alert in self.alerts))


class _Named(RequestModel):
    @field_validator("name", check_fields=False)
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or not value.isprintable()):
            raise ValueError("takes printable characters")
        return value if value is None else value.strip()


class OrganizationRequest(_Named):
    name: Name
    budget: BudgetRequest | None = None


class OrganizationChange(_Named):
    """What shall be otherwise; what is not named stays. `budget: null` takes the budget away."""

    name: Name | None = None
    budget: BudgetRequest | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("name cannot be null")
        return self


class MemberRequest(RequestModel):
    user_id: UserId
    role: OrgRole = OrgRole.MEMBER
    budget: BudgetRequest | None = None


class MemberChange(RequestModel):
    """What shall be otherwise; what is not named stays. `budget: null` takes the budget away."""

    role: OrgRole | None = None
    budget: BudgetRequest | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        if "role" in self.model_fields_set and self.role is None:
            raise ValueError("role cannot be null")
        return self
