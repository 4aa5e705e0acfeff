"""Deposits and withdrawals as DynamoDB items, one JSON document each.

<account id>#DEPOSITS      <deposit id>
<account id>#WITHDRAWALS   <withdrawal id>   gsi1 `OPEN#WITHDRAWALS`, by when it was asked for, until it is over
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import UnicodeAttribute

from gpubroker.kernel.time import iso
from gpubroker.ledger.funding.deposit import Deposit
from gpubroker.ledger.funding.withdrawal import Withdrawal, WithdrawalState
from gpubroker.storage.due import DueIndex
from gpubroker.storage.table import Item, Table

OPEN = "OPEN#WITHDRAWALS"


@cache
def _json(kind: type) -> TypeAdapter[object]:
    return TypeAdapter(kind)


class _Ledger(Table):
    env = "LEDGER_TABLE"


class DepositItem(Item):
    class Meta(_Ledger): ...

    state = UnicodeAttribute()
    deposit = UnicodeAttribute()

    @classmethod
    def at(cls, account_id: str, deposit_id: str) -> "DepositItem":
        return cls(pk=f"{account_id}#DEPOSITS", sk=deposit_id)

    @classmethod
    def of(cls, deposit: Deposit) -> "DepositItem":
        item = cls.at(deposit.account_id, deposit.deposit_id)
        item.version, item.state = deposit.version, deposit.state.value
        item.deposit = _json(Deposit).dump_json(deposit, exclude_none=True).decode()
        return item

    def value(self) -> Deposit:
        found = _json(Deposit).validate_json(self.deposit)
        assert isinstance(found, Deposit)  # noqa: S101  the adapter's type, for the type checker
        return found


class WithdrawalItem(Item):
    class Meta(_Ledger): ...

    open = DueIndex()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    withdrawal = UnicodeAttribute()

    @classmethod
    def at(cls, account_id: str, withdrawal_id: str) -> "WithdrawalItem":
        return cls(pk=f"{account_id}#WITHDRAWALS", sk=withdrawal_id)

    @classmethod
    def of(cls, withdrawal: Withdrawal) -> "WithdrawalItem":
        item = cls.at(withdrawal.account_id, withdrawal.withdrawal_id)
        item.version, item.state = withdrawal.version, withdrawal.state.value
        item.withdrawal = _json(Withdrawal).dump_json(withdrawal, exclude_none=True).decode()
        if withdrawal.state in (WithdrawalState.REQUESTED, WithdrawalState.APPROVED):
            item.gsi1pk, item.gsi1sk = OPEN, f"{iso(withdrawal.requested_at)}#{withdrawal.withdrawal_id}"
        return item

    def value(self) -> Withdrawal:
        found = _json(Withdrawal).validate_json(self.withdrawal)
        assert isinstance(found, Withdrawal)  # noqa: S101  the adapter's type, for the type checker
        return found
