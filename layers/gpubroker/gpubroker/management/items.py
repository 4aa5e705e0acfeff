"""Orders, transactions, volumes and fees as DynamoDB items. Table keys, and why they are so: docs/management.md.

<user>#ORDER                <order id>                  an order, one JSON document; gsi1 <user>#ORDERS, by creation
<user>#TRANSACTION          <transaction id>            a transaction, likewise; gsi1 <user>#TRANSACTIONS
ORDER#<order id>            OWNER                       whose order it is, for those who know only its id
TRANSACTION#<id>            OWNER                       whose transaction it is
<account>#VOLUME#<side>     <day>                       what the account has settled on a day, as buyer or as seller
FEES                        CONFIG#<moment>#<version>   a version of the fees, from that moment on
FEES                        VERSION                     the number of the newest version
"""

from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from gpubroker.kernel.time import iso
from gpubroker.management.fees import FeeConfig
from gpubroker.management.order import Order
from gpubroker.management.transaction import Transaction
from gpubroker.storage.table import Item, Table

FEES = "FEES"


def order_pk(user_id: str) -> str:
    return f"{user_id}#ORDER"


def transaction_pk(user_id: str) -> str:
    return f"{user_id}#TRANSACTION"


@cache
def _order_json() -> TypeAdapter[Order]:
    return TypeAdapter(Order)


@cache
def _transaction_json() -> TypeAdapter[Transaction]:
    return TypeAdapter(Transaction)


@cache
def _config_json() -> TypeAdapter[FeeConfig]:
    return TypeAdapter(FeeConfig)


class ByCreation(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """A user's things by the moment they were first heard of; the items themselves are read by their keys."""

    class Meta:
        index_name = "gsi1"
        projection = KeysOnlyProjection()

    gsi1pk = UnicodeAttribute(hash_key=True)
    gsi1sk = UnicodeAttribute(range_key=True)


class OrderItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    by_creation = ByCreation()
    gsi1pk = UnicodeAttribute()
    gsi1sk = UnicodeAttribute()
    order = UnicodeAttribute()

    @classmethod
    def of(cls, order: Order) -> "OrderItem":
        return cls(
            pk=order_pk(order.user_id),
            sk=order.order_id,
            version=order.version,
            gsi1pk=cls.list_key(order.user_id),
            gsi1sk=f"{iso(order.created_at)}#{order.order_id}",
            order=_order_json().dump_json(order).decode(),
        )

    @staticmethod
    def list_key(user_id: str) -> str:
        return f"{user_id}#ORDERS"

    def value(self) -> Order:
        return _order_json().validate_json(self.order)


class TransactionItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    by_creation = ByCreation()
    gsi1pk = UnicodeAttribute()
    gsi1sk = UnicodeAttribute()
    transaction = UnicodeAttribute()

    @classmethod
    def of(cls, transaction: Transaction) -> "TransactionItem":
        return cls(
            pk=transaction_pk(transaction.user_id),
            sk=transaction.transaction_id,
            version=transaction.version,
            gsi1pk=cls.list_key(transaction.user_id),
            gsi1sk=f"{iso(transaction.created_at)}#{transaction.transaction_id}",
            transaction=_transaction_json().dump_json(transaction).decode(),
        )

    @staticmethod
    def list_key(user_id: str) -> str:
        return f"{user_id}#TRANSACTIONS"

    def value(self) -> Transaction:
        return _transaction_json().validate_json(self.transaction)


class OwnerItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    user_id = UnicodeAttribute()

    @classmethod
    def of_order(cls, order_id: str, user_id: str = "") -> "OwnerItem":
        return cls(pk=f"ORDER#{order_id}", sk="OWNER", user_id=user_id)

    @classmethod
    def of_transaction(cls, transaction_id: str, user_id: str = "") -> "OwnerItem":
        return cls(pk=f"TRANSACTION#{transaction_id}", sk="OWNER", user_id=user_id)


class VolumeItem(Item):
    """What an account has settled on one day (UTC), as one side of trades."""

    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    micros = NumberAttribute(default=0)
    trades = NumberAttribute(default=0)


class FeeItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    config = UnicodeAttribute()

    @classmethod
    def of(cls, config: FeeConfig) -> "FeeItem":
        return cls(
            pk=FEES,
            sk=f"CONFIG#{iso(config.effective_from)}#{config.version:08d}",
            config=_config_json().dump_json(config).decode(),
        )

    def value(self) -> FeeConfig:
        return _config_json().validate_json(self.config)


class FeeVersionItem(Item):
    """`version` is the number of the newest version of the fees."""

    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    @classmethod
    def here(cls, version: int | None = None) -> "FeeVersionItem":
        return cls(pk=FEES, sk="VERSION", version=version)
