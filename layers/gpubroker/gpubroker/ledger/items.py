"""The ledger as DynamoDB items. Table keys, and why they are so: docs/ledger.md.

<account>#ACCOUNT      ACCOUNT                 sums of an account; gsi1: the register of accounts
<account>#ENTRY        <moment>#<transfer id>  what one transfer did to an account: never changed
<account>#HOLD         <hold id>               a hold; gsi1 while it is active and has an end
HOLD#<hold id>         HOLD                    whose hold an id is, and how it was placed: never changed
TRANSFER#<id>          TRANSFER                a transfer as it was posted: never changed
TRANSFER#<id>          REVERSED                how much of each leg was taken back
<budget>#BUDGET        <period>                what counts against a budget

`<account>` of a house account is one of its shards, `house:fees/3`.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import orjson
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.kernel.time import iso, parse_iso
from gpubroker.ledger.accounts import Account, Kind, State
from gpubroker.ledger.holds import BudgetCharge, HeldFunds, HoldState
from gpubroker.ledger.transfers import Leg, Receipt
from gpubroker.storage.due import SHARDS, DueIndex, DueItem
from gpubroker.storage.table import Item, Table

REGISTER = "ACCOUNTS"
REGISTER_SHARDS = 16


class AccountItem(Item):
    """room = credits - debits - held + credit_limit: what may still be held or spent. DynamoDB compares an attribute
    with a value and cannot add two, so the sum that a debit's condition needs is kept beside its parts."""

    class Meta(Table):
        env = "LEDGER_TABLE"

    register = DueIndex()
    kind = UnicodeAttribute()
    state = UnicodeAttribute(default=State.OPEN.value)
    credits = NumberAttribute(default=0)
    debits = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    credit_limit = NumberAttribute(default=0)
    room = NumberAttribute(default=0)
    postings = NumberAttribute(default=0)
    opened_at = UnicodeAttribute()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)

    @staticmethod
    def key(account_id: str) -> tuple[str, str]:
        return f"{account_id}#ACCOUNT", "ACCOUNT"

    @staticmethod
    def register_shard(account_id: str) -> str:
        return f"{REGISTER}#{zlib.crc32(account_id.encode()) % REGISTER_SHARDS}"

    def value(self) -> Account:
        return Account(
            account_id=self.pk.removesuffix("#ACCOUNT"),
            kind=Kind(self.kind),
            state=State(self.state),
            credits=int(self.credits),
            debits=int(self.debits),
            held=int(self.held),
            credit_limit=int(self.credit_limit),
            postings=int(self.postings),
            version=int(self.version or 0),
            opened_at=parse_iso(self.opened_at),
        )


class EntryItem(Item):
    """One side of one account in one transfer: all its legs there, together."""

    class Meta(Table):
        env = "LEDGER_TABLE"

    kind = UnicodeAttribute()
    debit = NumberAttribute()
    credit = NumberAttribute()
    body = UnicodeAttribute()

    @staticmethod
    def partition(account_id: str) -> str:
        return f"{account_id}#ENTRY"

    @staticmethod
    def place(at: datetime, transfer_id: str) -> str:
        return f"{iso(at)}#{transfer_id}"


class HoldItem(DueItem):
    """Due at its end while it is active. All holds of an account stand in one shard of the index, so that what is
    past its end can be found for one account too."""

    class Meta(Table):
        env = "LEDGER_TABLE"

    due_name = "HOLD_ENDS"
    due = DueIndex()
    state = UnicodeAttribute()
    amount = NumberAttribute()
    captured = NumberAttribute(default=0)
    body = UnicodeAttribute()

    @staticmethod
    def partition(account_id: str) -> str:
        return f"{account_id}#HOLD"

    @classmethod
    def due_shard(cls, account_id: str) -> str:
        return cls._shard(zlib.crc32(account_id.encode()) % SHARDS)

    @classmethod
    def of(cls, hold: HeldFunds) -> "HoldItem":
        item = cls(
            pk=cls.partition(hold.account_id),
            sk=hold.hold_id,
            version=hold.version,
            state=hold.state.value,
            amount=hold.amount,
            captured=hold.captured,
            body=_hold_body(hold),
        )
        if hold.state is HoldState.ACTIVE and hold.expires_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_shard(hold.account_id), f"{iso(hold.expires_at)}#{hold.hold_id}"
        return item

    def value(self) -> HeldFunds:
        return _hold_of(
            hold_id=self.sk,
            account_id=self.pk.removesuffix("#HOLD"),
            state=self.state,
            amount=int(self.amount),
            captured=int(self.captured),
            version=int(self.version or 0),
            body=orjson.loads(self.body),
        )


class HoldIdItem(Item):
    class Meta(Table):
        env = "LEDGER_TABLE"

    account_id = UnicodeAttribute()
    fingerprint = UnicodeAttribute()
    amount = NumberAttribute()
    body = UnicodeAttribute()

    @staticmethod
    def key(hold_id: str) -> tuple[str, str]:
        return f"HOLD#{hold_id}", "HOLD"

    @classmethod
    def of(cls, hold: HeldFunds, fingerprint: str) -> "HoldIdItem":
        pk, sk = cls.key(hold.hold_id)
        return cls(
            pk=pk,
            sk=sk,
            account_id=hold.account_id,
            fingerprint=fingerprint,
            amount=hold.amount,
            body=_hold_body(hold),
        )

    def value(self) -> HeldFunds:
        """The hold as it was when it was placed."""
        return _hold_of(
            hold_id=self.pk.removeprefix("HOLD#"),
            account_id=self.account_id,
            state=HoldState.ACTIVE,
            amount=int(self.amount),
            captured=0,
            version=1,
            body=orjson.loads(self.body),
        )


class TransferItem(Item):
    class Meta(Table):
        env = "LEDGER_TABLE"

    fingerprint = UnicodeAttribute()
    body = UnicodeAttribute()

    @staticmethod
    def key(transfer_id: str) -> tuple[str, str]:
        return f"TRANSFER#{transfer_id}", "TRANSFER"

    @classmethod
    def of(cls, receipt: Receipt, fingerprint: str) -> "TransferItem":
        pk, sk = cls.key(receipt.transfer_id)
        body = {
            "kind": receipt.kind,
            "legs": [[leg.debit, leg.credit, leg.amount] for leg in receipt.legs],
            "reference": dict(receipt.reference),
            "at": iso(receipt.at),
            "reverses": receipt.reverses,
            "hold_id": receipt.hold_id,
            "released": receipt.released,
        }
        return cls(pk=pk, sk=sk, fingerprint=fingerprint, body=_text(body))

    def value(self) -> Receipt:
        body = orjson.loads(self.body)
        return Receipt(
            transfer_id=self.pk.removeprefix("TRANSFER#"),
            kind=body["kind"],
            legs=tuple(Leg(*leg) for leg in body["legs"]),
            reference=body["reference"],
            at=parse_iso(body["at"]),
            reverses=body.get("reverses"),
            hold_id=body.get("hold_id"),
            released=body.get("released", 0),
        )


class ReversedItem(Item):
    class Meta(Table):
        env = "LEDGER_TABLE"

    amounts = UnicodeAttribute()

    @staticmethod
    def key(transfer_id: str) -> tuple[str, str]:
        return f"TRANSFER#{transfer_id}", "REVERSED"

    @classmethod
    def of(cls, transfer_id: str, amounts: list[int], version: int) -> "ReversedItem":
        return cls(*cls.key(transfer_id), amounts=_text(amounts), version=version)

    def value(self) -> list[int]:
        return cast(list[int], orjson.loads(self.amounts))


class BudgetItem(Item):
    class Meta(Table):
        env = "LEDGER_TABLE"

    used = NumberAttribute(default=0)
    spent = NumberAttribute(default=0)

    @staticmethod
    def key(key: str, period: str) -> tuple[str, str]:
        return f"{key}#BUDGET", period


def _hold_body(hold: HeldFunds) -> str:
    body: dict[str, Any] = {"placed_at": iso(hold.placed_at)}
    if hold.expires_at is not None:
        body["expires_at"] = iso(hold.expires_at)
    if hold.reference:
        body["reference"] = dict(hold.reference)
    if hold.budget:
        body["budget"] = [[one.key, one.period, one.limit] for one in hold.budget]
    if hold.capture_id is not None:
        body["capture_id"] = hold.capture_id
    if hold.resolved_at is not None:
        body["resolved_at"] = iso(hold.resolved_at)
    return _text(body)


def _hold_of(
    *, hold_id: str, account_id: str, state: str, amount: int, captured: int, version: int, body: Mapping[str, Any]
) -> HeldFunds:
    return HeldFunds(
        hold_id=hold_id,
        account_id=account_id,
        state=HoldState(state),
        amount=amount,
        captured=captured,
        placed_at=parse_iso(body["placed_at"]),
        expires_at=_moment(body.get("expires_at")),
        reference=body.get("reference", {}),
        budget=tuple(BudgetCharge(*one) for one in body.get("budget", ())),
        capture_id=body.get("capture_id"),
        resolved_at=_moment(body.get("resolved_at")),
        version=version,
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_iso(text)


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
