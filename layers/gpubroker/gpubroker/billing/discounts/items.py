"""Discounts and promotions as DynamoDB items, in the table of billing.

PROMOTIONS           <code>         a promotion, one JSON document, and how often it was redeemed
<account>#DISCOUNT   <discount id>  a discount of an account, one JSON document
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.billing.discounts.discount import Discount
from gpubroker.billing.discounts.promotion import Promotion
from gpubroker.storage.table import Item, Table

PROMOTIONS = "PROMOTIONS"


@cache
def _discount_json() -> TypeAdapter[Discount]:
    return TypeAdapter(Discount)


@cache
def _promotion_json() -> TypeAdapter[Promotion]:
    return TypeAdapter(Promotion)


def discounts_pk(account_id: str) -> str:
    return f"{account_id}#DISCOUNT"


class PromotionItem(Item):
    """closed stands beside the document for the conditions of those who redeem."""

    class Meta(Table):
        env = "BILLING_TABLE"

    promotion = UnicodeAttribute()
    redemptions = NumberAttribute(default=0)
    closed = NumberAttribute(null=True)

    @classmethod
    def of(cls, promotion: Promotion) -> "PromotionItem":
        return cls(PROMOTIONS, promotion.code, promotion=document_of(promotion))

    def value(self) -> Promotion:
        return _promotion_json().validate_json(self.promotion)


def document_of(promotion: Promotion) -> str:
    return _promotion_json().dump_json(promotion, exclude_none=True).decode()


class DiscountItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    discount = UnicodeAttribute()

    @classmethod
    def of(cls, account_id: str, discount: Discount, version: int) -> "DiscountItem":
        document = _discount_json().dump_json(discount, exclude_none=True).decode()
        return cls(discounts_pk(account_id), discount.discount_id, version=version, discount=document)

    def value(self) -> Discount:
        return _discount_json().validate_json(self.discount)
