"""Price plans as anybody who is signed in may read them, in the words in which they are asked for."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field

from gpubroker.billing.amounts import told
from gpubroker.billing.plans.plan import PlanVersion
from gpubroker.billing.plans.store import AccountPlans, Plan
from gpubroker.billing.rating.lines import LineKind, RatedLine
from gpubroker.billing.rating.prices import (
    FlatModel,
    GraduatedModel,
    PackageModel,
    ResourcePrice,
    Scope,
    VolumeModel,
)
from gpubroker.billing.rating.proration import Proration
from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class TierView(View):
    """(from, up_to]: the boundary belongs to the lower tier; up_to is null for the last."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: float = Field(alias="from")
    up_to: float | None
    unit_price: float
    flat_fee: float
    flat_fee_micros: int
    block_size: float | None


class PriceView(View):
    """USD for a unit of a resource. Fields of other models are null."""

    resource: str
    unit: str
    units_per: int = Field(description="how many of the meter's units a priced one is")
    instances: Scope
    model: str
    unit_price: float | None = None
    tiers: list[TierView] | None = None
    package_size: float | None = None
    package_price: float | None = None
    package_price_micros: int | None = None
    free_units: float | None = None
    minimum_spend: float | None
    minimum_spend_micros: int | None
    maximum_spend: float | None
    maximum_spend_micros: int | None

    @classmethod
    def of(cls, price: ResourcePrice) -> "PriceView":
        return cls(
            resource=price.resource,
            unit=price.unit,
            units_per=price.per,
            instances=price.scope,
            model=price.model.model,
            **_of_its_model(price),
            **told("minimum_spend", price.minimum),
            **told("maximum_spend", price.maximum),
        )


def _of_its_model(price: ResourcePrice) -> dict[str, Any]:
    model = price.model
    if isinstance(model, FlatModel):
        return {"unit_price": float(model.unit_price)}
    if isinstance(model, PackageModel):
        return {
            "package_size": float(model.size),
            "free_units": float(model.free_units),
            **told("package_price", model.package_price),
        }
    return {"tiers": _tiers(model)}


def _tiers(model: GraduatedModel | VolumeModel) -> list[TierView]:
    begins = [Decimal(0), *(tier.up_to or Decimal(0) for tier in model.tiers)]
    return [
        TierView(
            from_=float(begin),
            up_to=None if tier.up_to is None else float(tier.up_to),
            unit_price=float(tier.unit_price),
            **told("flat_fee", tier.flat_fee),
            block_size=None if tier.block is None else float(tier.block),
        )
        for begin, tier in zip(begins, model.tiers, strict=False)
    ]


class VersionView(View):
    version: int
    effective_from: str
    effective_until: str | None = Field(description="when the next version begins, as far as there is one")
    description: str
    name: str
    currency: str = "USD"
    monthly_fee: float
    monthly_fee_micros: int
    proration: Proration
    prices: list[PriceView]

    @classmethod
    def of(cls, plan: PlanVersion, until: datetime | None) -> "VersionView":
        return cls(
            version=plan.version,
            effective_from=iso(plan.effective_from),
            effective_until=iso(until) if until else None,
            description=plan.description,
            name=plan.name,
            **told("monthly_fee", plan.monthly_fee),
            proration=plan.proration,
            prices=[PriceView.of(price) for price in plan.prices],
        )


class PlanView(View):
    """A plan: the version that holds now (or the first to come), and the numbers of all."""

    plan_id: str
    name: str
    in_force: bool = Field(description="false: its first version has not begun")
    current: VersionView
    scheduled: list[int] = Field(description="versions that have not begun")
    versions: int = Field(description="versions that there ever were")

    @classmethod
    def of(cls, plan: Plan, current: PlanVersion, now: datetime) -> "PlanView":
        return cls(
            plan_id=plan.plan_id,
            name=current.name,
            in_force=current.effective_from <= now,
            current=VersionView.of(current, until_of(plan, current)),
            scheduled=[version for version, since in plan.timeline if since > now],
            versions=plan.latest,
        )


def until_of(plan: Plan, one: PlanVersion) -> datetime | None:
    later = [since for version, since in plan.timeline if (since, version) > (one.effective_from, one.version)]
    return min(later, default=None)


class PlanPage(View):
    plans: list[PlanView]
    next_cursor: str | None


class PlanHistoryView(View):
    """A plan with every version it has, in the order in which they hold."""

    plan_id: str
    name: str
    current_version: int
    versions: list[VersionView]


class ScheduledPlanView(View):
    plan_id: str
    effective_from: str


class AccountPlanView(View):
    """Which plan an account is on, since when, and what is to come."""

    account_id: str
    plan_id: str
    since: str | None = Field(description="null: always, it was never put on another")
    scheduled: list[ScheduledPlanView]

    @classmethod
    def of(cls, account: AccountPlans, now: datetime) -> "AccountPlanView":
        plan_id, since = account.at(now)
        return cls(
            account_id=account.account_id,
            plan_id=plan_id,
            since=iso(since) if account.changes and account.changes[0][1] <= now else None,
            scheduled=[
                ScheduledPlanView(plan_id=name, effective_from=iso(moment))
                for name, moment in account.changes
                if moment > now
            ],
        )


class RatedLineView(View):
    resource: str
    kind: LineKind
    tier: int | None
    quantity: float = Field(description="in the priced unit")
    unit: str
    unit_price: float | None
    blocks: int | None
    amount: float
    amount_micros: int

    @classmethod
    def of(cls, price: ResourcePrice, line: RatedLine) -> "RatedLineView":
        return cls(
            resource=price.resource,
            kind=line.kind,
            tier=line.tier,
            quantity=float(line.quantity / price.per),
            unit=price.unit,
            unit_price=None if line.unit_price is None else float(line.unit_price),
            blocks=line.blocks,
            amount=usd(line.amount),
            amount_micros=line.amount,
        )


class EstimateView(View):
    """What the usage would cost; nothing is kept."""

    plan_id: str
    version: int
    currency: str = "USD"
    lines: list[RatedLineView]
    total: float
    total_micros: int
