"""Rentals as DynamoDB items. Table keys, and why they are so: docs/rentals.md.

<tenant>#RENTAL      <rental id>   the rental, one JSON document; gsi1 while it is open
<tenant>#CAPS        RENTALS       what the tenant has running and committed
RENTAL#<rental id>   OWNER         the tenant of a rental, for those who know only its id
HOUSE                SWITCH        whether new rentals are stopped
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.rentals.rental import Rental
from gpubroker.rentals.terms import due_at
from gpubroker.storage.due import DueIndex, DueItem
from gpubroker.storage.table import Item, Table


def rental_pk(tenant: str) -> str:
    return f"{tenant}#RENTAL"


@cache
def _json() -> TypeAdapter[Rental]:
    return TypeAdapter(Rental)


class RentalItem(DueItem):
    """Due while it is open, at the moment somebody must look at it next."""

    class Meta(Table):
        env = "RENTALS_TABLE"

    due_name = "DUE"
    due = DueIndex()
    phase = UnicodeAttribute()
    rental = UnicodeAttribute()

    @classmethod
    def of(cls, rental: Rental) -> "RentalItem":
        item = cls(
            pk=rental_pk(rental.tenant),
            sk=rental.rental_id,
            version=rental.version,
            phase=rental.phase.value,
            rental=_json().dump_json(rental, exclude_none=True).decode(),
        )
        moment = due_at(rental)
        if moment is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(rental.rental_id, moment)
        return item

    def value(self) -> Rental:
        return _json().validate_json(self.rental)


class CapsItem(Item):
    """The sum of the holdings of a tenant's rentals, kept so by the transactions that write them."""

    class Meta(Table):
        env = "RENTALS_TABLE"

    rentals = NumberAttribute(default=0)
    instances = NumberAttribute(default=0)
    micros = NumberAttribute(default=0)

    @classmethod
    def of(cls, tenant: str) -> "CapsItem":
        return cls(pk=f"{tenant}#CAPS", sk="RENTALS")


class OwnerItem(Item):
    class Meta(Table):
        env = "RENTALS_TABLE"

    tenant = UnicodeAttribute()

    @classmethod
    def of(cls, rental: Rental) -> "OwnerItem":
        return cls(pk=f"RENTAL#{rental.rental_id}", sk="OWNER", tenant=rental.tenant)


class SwitchItem(Item):
    class Meta(Table):
        env = "RENTALS_TABLE"

    stopped = BooleanAttribute(default=False)
    reason = UnicodeAttribute(null=True)
    by = UnicodeAttribute(null=True)
    at = UnicodeAttribute(null=True)

    @classmethod
    def here(cls) -> "SwitchItem":
        return cls(pk="HOUSE", sk="SWITCH")
