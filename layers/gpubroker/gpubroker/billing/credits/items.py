"""Credits as DynamoDB items, in the table of billing.

<account>#CREDIT       <credit id>   a credit, one JSON document
<account>#CREDITUSE    <invoice id>  what an invoice consumed: it is there once, whatever is asked twice
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import UnicodeAttribute

from gpubroker.billing.credits.credit import Consumption, Credit
from gpubroker.storage.table import Item, Table


@cache
def _credit_json() -> TypeAdapter[Credit]:
    return TypeAdapter(Credit)


@cache
def _consumption_json() -> TypeAdapter[Consumption]:
    return TypeAdapter(Consumption)


def credits_pk(account_id: str) -> str:
    return f"{account_id}#CREDIT"


def uses_pk(account_id: str) -> str:
    return f"{account_id}#CREDITUSE"


class CreditItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    credit = UnicodeAttribute()

    @classmethod
    def of(cls, credit: Credit) -> "CreditItem":
        document = _credit_json().dump_json(credit, exclude_none=True).decode()
        return cls(credits_pk(credit.account_id), credit.credit_id, version=credit.version, credit=document)

    def value(self) -> Credit:
        return _credit_json().validate_json(self.credit)


class ConsumptionItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    consumption = UnicodeAttribute()

    @classmethod
    def of(cls, used: Consumption) -> "ConsumptionItem":
        document = _consumption_json().dump_json(used, exclude_none=True).decode()
        return cls(uses_pk(used.account_id), used.invoice_id, version=used.version, consumption=document)

    def value(self) -> Consumption:
        return _consumption_json().validate_json(self.consumption)
