"""What may be asked of settlement. The seed's own body is `{"transactionId"}`."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.schemas import RequestModel
from gpubroker.management.settlement.payouts import numbers
from gpubroker.management.settlement.payouts.payout import BankAccount

_PLACES = 6
_MICRO = 1_000_000


def _exact(value: Any) -> Any:
    """A JSON number as the decimal that was written; pydantic would take a string for one too."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("Input should be a number")
    exact = Decimal(str(value))
    if exact.is_finite() and exact != round(exact, _PLACES):
        raise ValueError("takes at most 6 decimal places")
    return exact


Refund = Annotated[
    Decimal,
    Field(gt=0, le=Decimal(1_000_000_000_000), allow_inf_nan=False),
    BeforeValidator(_exact),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000_000}),
]

TransactionId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]


class SettlementInstruction(RequestModel):
    """Settle a completed transaction."""

    transactionId: TransactionId  # noqa: N815 - the seed's name


class ReversalRequest(RequestModel):
    """amount: USD that the buyer gets back, of what they paid in all; by default all that is left of it."""

    amount: Refund | None = None
    reason: str = Field(min_length=1, max_length=500)

    @property
    def micros(self) -> MicroUsd | None:
        return None if self.amount is None else int(self.amount * _MICRO)


class BankAccountRequest(RequestModel):
    """Either `iban` (with `bic`, where the bank asks for it), or `account_number` and `routing_number` (ABA)."""

    name: str = Field(min_length=1, max_length=140)
    iban: str | None = Field(None, max_length=34)
    bic: str | None = Field(None, max_length=11)
    account_number: str | None = Field(None, max_length=34)
    routing_number: str | None = Field(None, max_length=9)

    @model_validator(mode="after")
    def _one_kind(self) -> "BankAccountRequest":
        if (self.iban is None) == (self.account_number is None):
            raise ValueError("takes either iban, or account_number with routing_number")
        if self.iban is not None and not numbers.is_iban(self.iban):
            raise ValueError("iban is no valid IBAN")
        if self.bic is not None and not numbers.is_bic(self.bic):
            raise ValueError("bic is no valid BIC")
        if self.account_number is not None and not numbers.is_account_number(self.account_number):
            raise ValueError("account_number has characters that none has")
        if self.account_number is not None and not numbers.is_routing_number(self.routing_number or ""):
            raise ValueError("routing_number is no valid ABA routing number")
        return self

    def value(self) -> BankAccount:
        return BankAccount(self.name, self.iban, self.bic, self.account_number, self.routing_number)


class PayeeRequest(RequestModel):
    """How a seller is paid from now on."""

    method: Literal["account", "bank_file"]
    bank_account: BankAccountRequest | None = None

    @model_validator(mode="after")
    def _complete(self) -> "PayeeRequest":
        if (self.method == "bank_file") != (self.bank_account is not None):
            raise ValueError("bank_account is needed for the method bank_file, and for no other")
        return self


class PayoutResult(RequestModel):
    """What the bank says of an entry."""

    status: Literal["paid", "returned"]
    bank_reference: str | None = Field(None, min_length=1, max_length=140)
    reason: str | None = Field(None, min_length=1, max_length=500)
