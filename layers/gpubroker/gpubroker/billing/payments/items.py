"""Payments as DynamoDB items, in the table of billing.

<account>#PAYMENT     <payment id>  the payment, one JSON document; gsi1 while its end is not known
<account>#METHOD      <method id>   a payment method
<account>#METHOD      DEFAULT       which of them is used where none is named
PAYMENT#<payment id>  OWNER         the account of a payment, for those who know only its id (the processor's webhook)
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import UnicodeAttribute

from gpubroker.billing.payments.method import PaymentMethod
from gpubroker.billing.payments.payment import Payment
from gpubroker.storage.due import DueIndex, DueItem
from gpubroker.storage.table import Item, Table

DEFAULT = "DEFAULT"


def payments_pk(account_id: str) -> str:
    return f"{account_id}#PAYMENT"


def methods_pk(account_id: str) -> str:
    return f"{account_id}#METHOD"


@cache
def _payment_json() -> TypeAdapter[Payment]:
    return TypeAdapter(Payment)


@cache
def _method_json() -> TypeAdapter[PaymentMethod]:
    return TypeAdapter(PaymentMethod)


class PaymentItem(DueItem):
    """Due while its end is not known, when the processor shall be asked about it next."""

    class Meta(Table):
        env = "BILLING_TABLE"

    due_name = "PAYMENTDUE"
    due = DueIndex()
    payment = UnicodeAttribute()

    @classmethod
    def of(cls, payment: Payment) -> "PaymentItem":
        item = cls(
            pk=payments_pk(payment.account_id),
            sk=payment.payment_id,
            version=payment.version,
            payment=_payment_json().dump_json(payment).decode(),
        )
        if payment.due_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(payment.payment_id, payment.due_at)
        return item

    def value(self) -> Payment:
        return _payment_json().validate_json(self.payment)


class PaymentOwnerItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    account = UnicodeAttribute()

    @classmethod
    def of(cls, payment: Payment) -> "PaymentOwnerItem":
        return cls(pk=f"PAYMENT#{payment.payment_id}", sk="OWNER", account=payment.account_id)


class MethodItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    method = UnicodeAttribute(null=True)
    default = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, method: PaymentMethod) -> "MethodItem":
        return cls(
            pk=methods_pk(method.account_id), sk=method.method_id, method=_method_json().dump_json(method).decode()
        )

    @classmethod
    def default_of(cls, account_id: str, method_id: str | None = None) -> "MethodItem":
        return cls(pk=methods_pk(account_id), sk=DEFAULT, default=method_id)

    def value(self) -> PaymentMethod:
        return _method_json().validate_json(str(self.method))
