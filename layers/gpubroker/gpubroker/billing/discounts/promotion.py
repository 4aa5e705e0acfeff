"""A promotion: a code that gives a discount to those who redeem it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from gpubroker.billing.discounts.discount import Discount, Terms
from gpubroker.kernel.ids import named_id

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{2,39}$"


@dataclass(frozen=True, slots=True)
class Promotion:
    """closed_at: nobody redeems it from then on; discounts that it gave go on."""

    code: str
    terms: Terms
    starts_at: datetime
    created_at: datetime
    name: str = ""
    ends_at: datetime | None = None
    max_redemptions: int | None = None
    created_by: str = ""
    closed_at: datetime | None = None

    def open(self, at: datetime) -> bool:
        return self.closed_at is None and self.starts_at <= at and (self.ends_at is None or at < self.ends_at)

    def discount_for(self, account_id: str, at: datetime) -> Discount:
        """What an account gets: one discount, whose id is made of the two, so that there is never a second."""
        return Discount(
            discount_id=named_id("dsc", account_id, self.code),
            terms=self.terms,
            starts_at=at,
            name=self.name or self.code,
            code=self.code,
        )
