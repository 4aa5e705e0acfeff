"""Settlements as DynamoDB items. Table keys, and why they are so: docs/settlement.md.

<buyer>#SETTLEMENT     <transaction id>    the settlement, one JSON document; gsi1 while it is under way
<buyer>#SETTLED#<order id>  <transaction id>   that an order's transaction has a settlement
<party>#RECEIPT        <receipt id>        a receipt: never changed
<seller>#PAYEE         PAYEE               how a seller is paid
<seller>#RECEIVABLE    OWED                what a seller owes the house
PAYOUT#<payout id>     PAYOUT              a payout; gsi1 while it waits for a bank file
PAYOUT_FILES           <file id>           a bank file; gsi1 until the bank has told of all in it
PAYOUT_FILE#<file id>  <payout id>         an entry of a bank file, as it is written there
"""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.management.settlement.payouts.file import BankFile, Entry
from gpubroker.management.settlement.payouts.payout import Payout, PayoutState
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.receipts import Receipt
from gpubroker.management.settlement.settlement import Settlement
from gpubroker.storage.due import DueIndex, DueItem
from gpubroker.storage.table import Item, Table

T = TypeVar("T")
ENV = "MANAGEMENT_TABLE"


@cache
def _adapter(kind: Any) -> Any:
    return TypeAdapter(kind)


def _json(kind: type[T]) -> TypeAdapter[T]:
    hashable: Any = kind
    return cast("TypeAdapter[T]", _adapter(hashable))


def _text(value: Any) -> str:
    return _json(type(value)).dump_json(value, exclude_none=True).decode()


class SettlementItem(DueItem):
    """Due while it is under way, at the moment somebody must look after it."""

    class Meta(Table):
        env = ENV

    due_name = "SETTLEMENTS"
    due = DueIndex()
    state = UnicodeAttribute()
    settlement = UnicodeAttribute()

    @staticmethod
    def partition(buyer: str) -> str:
        return f"{buyer}#SETTLEMENT"

    @classmethod
    def of(cls, settlement: Settlement) -> "SettlementItem":
        item = cls(
            pk=cls.partition(settlement.buyer),
            sk=settlement.transaction_id,
            version=settlement.version,
            state=settlement.state.value,
            settlement=_text(settlement),
        )
        if settlement.due_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(settlement.transaction_id, settlement.due_at)
        return item

    def value(self) -> Settlement:
        return _json(Settlement).validate_json(self.settlement)


class OrderItem(Item):
    class Meta(Table):
        env = ENV

    @staticmethod
    def partition(buyer: str, order_id: str) -> str:
        return f"{buyer}#SETTLED#{order_id}"

    @classmethod
    def of(cls, settlement: Settlement) -> "OrderItem":
        return cls(pk=cls.partition(settlement.buyer, settlement.order_id), sk=settlement.transaction_id)


class ReceiptItem(Item):
    class Meta(Table):
        env = ENV

    receipt = UnicodeAttribute()

    @staticmethod
    def partition(party: str) -> str:
        return f"{party}#RECEIPT"

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptItem":
        return cls(pk=cls.partition(receipt.party), sk=receipt.receipt_id, receipt=_text(receipt))

    def value(self) -> Receipt:
        return _json(Receipt).validate_json(self.receipt)


class PayeeItem(Item):
    class Meta(Table):
        env = ENV

    payee = UnicodeAttribute()

    @staticmethod
    def partition(seller: str) -> str:
        return f"{seller}#PAYEE"

    @classmethod
    def of(cls, payee: Payee) -> "PayeeItem":
        return cls(pk=cls.partition(payee.seller), sk="PAYEE", version=payee.version, payee=_text(payee))

    def value(self) -> Payee:
        return _json(Payee).validate_json(self.payee)


class ReceivableItem(Item):
    """micros: what the seller owes; never negative."""

    class Meta(Table):
        env = ENV

    micros = NumberAttribute(default=0)

    @classmethod
    def here(cls, seller: str) -> "ReceivableItem":
        return cls(pk=f"{seller}#RECEIVABLE", sk="OWED")


class PayoutItem(DueItem):
    """Due at once while it waits for a bank file: the index is the next file's list."""

    class Meta(Table):
        env = ENV

    due_name = "PAYOUTS"
    due = DueIndex()
    state = UnicodeAttribute()
    payout = UnicodeAttribute()

    @staticmethod
    def key(payout_id: str) -> tuple[str, str]:
        return f"PAYOUT#{payout_id}", "PAYOUT"

    @classmethod
    def of(cls, payout: Payout) -> "PayoutItem":
        pk, sk = cls.key(payout.payout_id)
        item = cls(pk=pk, sk=sk, version=payout.version, state=payout.state.value, payout=_text(payout))
        if payout.state is PayoutState.INSTRUCTED:
            item.gsi1pk, item.gsi1sk = cls.due_key(payout.payout_id, payout.made_at)
        return item

    def value(self) -> Payout:
        return _json(Payout).validate_json(self.payout)


class BankFileItem(DueItem):
    """Due when somebody must finish it or ask whether the bank has told of all in it."""

    class Meta(Table):
        env = ENV

    due_name = "PAYOUT_FILES"
    due = DueIndex()
    state = UnicodeAttribute()
    file = UnicodeAttribute()

    @staticmethod
    def key(file_id: str) -> tuple[str, str]:
        return "PAYOUT_FILES", file_id

    @classmethod
    def of(cls, file: BankFile) -> "BankFileItem":
        pk, sk = cls.key(file.file_id)
        item = cls(pk=pk, sk=sk, version=file.version, state=file.state.value, file=_text(file))
        if file.due_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(file.file_id, file.due_at)
        return item

    def value(self) -> BankFile:
        return _json(BankFile).validate_json(self.file)


class EntryItem(Item):
    class Meta(Table):
        env = ENV

    entry = UnicodeAttribute()

    @staticmethod
    def partition(file_id: str) -> str:
        return f"PAYOUT_FILE#{file_id}"

    @classmethod
    def of(cls, file_id: str, entry: Entry) -> "EntryItem":
        return cls(pk=cls.partition(file_id), sk=entry.payout_id, entry=_text(entry))

    def value(self) -> Entry:
        return _json(Entry).validate_json(self.entry)
