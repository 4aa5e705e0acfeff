"""Discounts and promotions as they are told."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gpubroker.billing.amounts import told
from gpubroker.billing.discounts.discount import Discount, Duration, Terms
from gpubroker.billing.discounts.store import Redeemable
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class _TermsView(View):
    """Either a percentage or an amount off; the other is null."""

    percentage: float | None
    amount: float | None = Field(description="USD off each month that has it")
    amount_micros: int | None
    currency: str = "USD"
    resources: list[str] = Field(description="the only ones it is off; empty: any")
    duration: Duration
    months: int | None


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "percentage": None if terms.percentage is None else float(terms.percentage),
        **told("amount", terms.amount),
        "resources": list(terms.resources),
        "duration": terms.duration,
        "months": terms.months,
    }


class DiscountView(_TermsView):
    discount_id: str
    account_id: str
    name: str
    code: str | None = Field(description="the promotion that it is of; null: given by hand")
    starts_at: str
    ends_at: str | None
    used: float = Field(description="USD taken off so far, of the last 24 months")
    used_micros: int

    @classmethod
    def of(cls, account_id: str, discount: Discount) -> "DiscountView":
        return cls(
            **_terms(discount.terms),
            discount_id=discount.discount_id,
            account_id=account_id,
            name=discount.name,
            code=discount.code,
            starts_at=iso(discount.starts_at),
            ends_at=iso(discount.ends_at) if discount.ends_at else None,
            **told("used", sum(discount.used.values())),
        )


class DiscountList(View):
    discounts: list[DiscountView]


class PromotionView(_TermsView):
    code: str
    name: str
    status: Literal["scheduled", "open", "used up", "over", "closed"]
    starts_at: str
    ends_at: str | None
    redemptions: int
    max_redemptions: int | None
    created_at: str
    closed_at: str | None

    @classmethod
    def of(cls, found: Redeemable, now: datetime) -> "PromotionView":
        promotion = found.promotion
        return cls(
            **_terms(promotion.terms),
            code=promotion.code,
            name=promotion.name,
            status=_status(found, now),
            starts_at=iso(promotion.starts_at),
            ends_at=iso(promotion.ends_at) if promotion.ends_at else None,
            redemptions=found.redemptions,
            max_redemptions=promotion.max_redemptions,
            created_at=iso(promotion.created_at),
            closed_at=iso(promotion.closed_at) if promotion.closed_at else None,
        )


class PromotionPage(View):
    promotions: list[PromotionView]
    next_cursor: str | None


def _status(found: Redeemable, now: datetime) -> Literal["scheduled", "open", "used up", "over", "closed"]:
    promotion = found.promotion
    if promotion.closed_at is not None:
        return "closed"
    if now < promotion.starts_at:
        return "scheduled"
    if promotion.ends_at is not None and now >= promotion.ends_at:
        return "over"
    if promotion.max_redemptions is not None and found.redemptions >= promotion.max_redemptions:
        return "used up"
    return "open"
