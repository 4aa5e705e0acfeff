"""What may be asked of deposits and withdrawals."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gpubroker.kernel.schemas import RequestModel
from gpubroker.ledger.amounts import Amount

_Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DepositRequest(RequestModel):
    """A payment of whole cents: no card is charged less."""

    amount: Amount
    currency: Literal["USD"] = "USD"
    payment_method_id: str | None = Field(
        None,
        min_length=3,
        max_length=64,
        pattern=r"^[A-Za-z0-9_:.-]+$",
        description="which of the account's payment methods pays",
    )

    @field_validator("amount")
    @classmethod
    def _whole_cents(cls, value: Decimal) -> Decimal:
        if value != round(value, 2):
            raise ValueError("must be whole cents")
        return value


class WithdrawalRequest(RequestModel):
    amount: Amount
    currency: Literal["USD"] = "USD"
    destination: _Text = Field(description="where the money goes: a bank account, as its owner names it")


class DecisionRequest(RequestModel):
    """approve, then pay (the money has left); or reject, with the reason."""

    decision: Literal["approve", "pay", "reject"]
    reason: _Text
