"""What may be asked of accounts."""

from typing import Annotated, Literal

from pydantic import Field

from gpubroker.kernel.schemas import RequestModel
from gpubroker.ledger.amounts import Amount, Limit
from gpubroker.ledger.organizations.requests import BudgetRequest

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
Reference = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Currency = Literal["USD"]


class DeductRequest(RequestModel):
    """Credits to take from an account, now, for something that was used."""

    amount: Amount
    currency: Currency = "USD"
    reason: Reason | None = Field(None, description="for the account's owner to read")
    reference: Reference | None = Field(None, description="what it is for, in the service's own words: an invoice line")


class CreditRequest(RequestModel):
    """Money that an administrator puts on an account.

    source: `credits` is a gift of the house, `deposit` is money that arrived by bank, `adjustment` mends a mistake.
    """

    amount: Amount
    currency: Currency = "USD"
    source: Literal["credits", "deposit", "adjustment"] = "credits"
    reason: Reason


class InterventionRequest(RequestModel):
    reason: Reason


class CreditLimitRequest(RequestModel):
    """How far below nothing the account may go."""

    credit_limit: Limit
    currency: Currency = "USD"
    reason: Reason


class ReversalRequest(RequestModel):
    """Take a transfer back: all that is left of it, or a part."""

    amount: Amount | None = None
    currency: Currency = "USD"
    reason: Reason


class BudgetSetting(RequestModel):
    """`budget: null` takes it away."""

    budget: BudgetRequest | None
