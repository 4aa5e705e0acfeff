"""What may be asked of settlement. The seed's own body is `{"transactionId"}`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gpubroker.kernel.money import MicroUsd, micros
from gpubroker.management.settlement.payouts import numbers
from gpubroker.management.settlement.payouts.payout import BankAccount
from gpubroker.management.wire import Amount, Id, WireRequest

Refund = Annotated[Amount, Field(gt=0)]


class SettlementInstruction(WireRequest):
    """Settle a completed transaction."""

    transaction_id: Id


class ReversalRequest(WireRequest):
    """amount: USD that the buyer gets back, of what they paid in all; by default all that is left of it."""

    amount: Refund | None = None
    reason: str = Field(min_length=1, max_length=500)

    @property
    def micros(self) -> MicroUsd | None:
        return None if self.amount is None else micros(self.amount)


class BankAccountRequest(WireRequest):
    """Either `iban` (with `bic`, where the bank asks for it), or `accountNumber` and `routingNumber` (ABA)."""

    name: str = Field(min_length=1, max_length=140)
    iban: str | None = Field(None, max_length=34)
    bic: str | None = Field(None, max_length=11)
    account_number: str | None = Field(None, max_length=34)
    routing_number: str | None = Field(None, max_length=9)

    @model_validator(mode="after")
    def _one_kind(self) -> "BankAccountRequest":
        if (self.iban is None) == (self.account_number is None):
            raise ValueError("takes either iban, or accountNumber with routingNumber")
        if self.iban is not None and not numbers.is_iban(self.iban):
            raise ValueError("iban is no valid IBAN")
        if self.bic is not None and not numbers.is_bic(self.bic):
            raise ValueError("bic is no valid BIC")
        if self.account_number is not None and not numbers.is_account_number(self.account_number):
            raise ValueError("accountNumber has characters that none has")
        if self.account_number is not None and not numbers.is_routing_number(self.routing_number or ""):
            raise ValueError("routingNumber is no valid ABA routing number")
        return self

    def value(self) -> BankAccount:
        return BankAccount(self.name, self.iban, self.bic, self.account_number, self.routing_number)


class PayeeRequest(WireRequest):
    """How a seller is paid from now on."""

    method: Literal["account", "bank_file"]
    bank_account: BankAccountRequest | None = None

    @model_validator(mode="after")
    def _complete(self) -> "PayeeRequest":
        if (self.method == "bank_file") != (self.bank_account is not None):
            raise ValueError("bankAccount is needed for the method bank_file, and for no other")
        return self


class PayoutResult(WireRequest):
    """What the bank says of an entry."""

    status: Literal["paid", "returned"]
    bank_reference: str | None = Field(None, min_length=1, max_length=140)
    reason: str | None = Field(None, min_length=1, max_length=500)
