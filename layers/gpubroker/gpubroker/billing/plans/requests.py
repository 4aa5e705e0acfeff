"""What may be asked of price plans. Prices are checked as a whole: tiers follow each other without gap or overlap."""

from decimal import Decimal
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, model_validator

from gpubroker.billing.amounts import Amount, Quantity, UnitPrice
from gpubroker.billing.plans.checks import PriceFields, checked
from gpubroker.billing.plans.plan import PLAN_PATTERN
from gpubroker.billing.rating.prices import ResourcePrice, Scope
from gpubroker.billing.rating.proration import Proration
from gpubroker.billing.resources import Resource
from gpubroker.kernel.money import MicroUsd, micros
from gpubroker.kernel.schemas import RequestModel

PlanId = Annotated[str, Field(pattern=PLAN_PATTERN, examples=["team-2027"])]
Reason = Annotated[str, Field(max_length=500, description="for the audit")]
Model: TypeAlias = Literal["flat", "graduated", "volume", "package"]


class TierRequest(RequestModel):
    """Units beyond the tier before, up to `up_to`, itself included."""

    from_: Quantity | None = Field(
        None, alias="from", description="where it begins; only ever the end of the tier before, by default that"
    )
    up_to: Quantity | None = Field(None, description="null: without end; so the last tier is, and no other")
    unit_price: UnitPrice = Field(Decimal(0), description="USD for a unit, or for a block of them")
    flat_fee: Amount = Field(Decimal(0), description="USD for entering the tier")
    block_size: Quantity | None = Field(None, gt=0, description="units are sold in whole blocks of so many")


class PriceRequest(RequestModel):
    """The price of one resource. What a model needs it must have, and nothing of another's."""

    resource: Resource
    unit: str | None = Field(
        None, max_length=16, description="what is priced: second, hour, gb_hour, gb_month, mb, gb; the first by default"
    )
    instances: Scope = Field("all", description="whose usage: instances of rentals, others, or all together")
    model: Model
    unit_price: UnitPrice | None = Field(None, description="flat: USD for a unit")
    tiers: list[TierRequest] | None = Field(None, min_length=1, max_length=50, description="graduated and volume")
    package_size: Quantity | None = Field(None, gt=0, description="package: units in one")
    package_price: Amount | None = Field(None, description="package: USD for one, begun ones included")
    free_units: Quantity | None = Field(None, description="package: units a month that cost nothing")
    minimum_spend: Amount | None = Field(None, description="USD that a month costs at least")
    maximum_spend: Amount | None = Field(None, description="USD that a month costs at most")

    def price(self, place: int) -> ResourcePrice:
        """The price as it is kept. Raises Invalid, which names the field."""
        return checked(self, f"prices.{place}")


_: type[PriceFields] = PriceRequest


class _VersionFields(RequestModel):
    prices: list[PriceRequest] = Field(max_length=20)
    monthly_fee: Amount = Field(Decimal(0), description="USD a month for being on the plan")
    proration: Proration = Field("seconds", description="how a part of a month shares the fee")
    effective_from: AwareDatetime | None = Field(None, description="now by default; never in the past")
    description: str = Field("", max_length=500)
    reason: Reason | None = None

    @property
    def monthly_fee_micros(self) -> MicroUsd:
        return micros(self.monthly_fee)


class PlanRequest(_VersionFields):
    """A new price plan, with its first version."""

    plan_id: PlanId
    name: str = Field(min_length=1, max_length=100)
    currency: Literal["USD"] = "USD"


class VersionRequest(_VersionFields):
    """The next version of a plan: all of it, as it holds from its moment on."""

    name: str | None = Field(None, min_length=1, max_length=100, description="as before by default")
    currency: Literal["USD"] = "USD"


class AccountPlanRequest(RequestModel):
    """Put an account on a plan, now or from a moment to come. What was to come after that moment is replaced."""

    plan_id: PlanId
    effective_from: AwareDatetime | None = Field(None, description="now by default; never in the past")
    reason: Reason | None = None


class EstimateRequest(RequestModel):
    """What a month of usage would cost on a plan, in the meters' units (`gpu_seconds`, `network_egress_mb`)."""

    usage: dict[Resource, Quantity] = Field(min_length=1)
    already_used: dict[Resource, Quantity] = Field(default_factory=dict, description="in the same month before")
    instances: Literal["rental", "other"] = "rental"

    @model_validator(mode="after")
    def _of_what_is_asked(self) -> Self:
        if unknown := set(self.already_used) - set(self.usage):
            raise ValueError(f"already_used names what usage does not: {', '.join(sorted(unknown))}")
        return self
