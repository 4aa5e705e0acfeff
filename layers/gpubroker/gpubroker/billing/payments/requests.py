"""What may be asked of payments."""

from typing import Annotated

from pydantic import Field, field_validator

from gpubroker.billing.payments.method import looks_like_a_card_number
from gpubroker.kernel.schemas import RequestModel

AccountId = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_:.-]+$")]
"""One's own account by default; an organisation's for those who manage its billing."""


class RefundRequest(RequestModel):
    reason: str = Field(min_length=3, max_length=500, description="for the audit")


class MethodRequest(RequestModel):
    """A card that the processor keeps already, by its token: the page that takes the number is the processor's, and
    not ours. A card's number is refused."""

    token: str = Field(
        min_length=4, max_length=128, description="the processor's token of the card", examples=["tok_visa"]
    )
    default: bool = Field(False, description="use it where none is named; the first of an account is anyway")
    account_id: AccountId | None = Field(None, description="an organisation's; one's own by default")

    @field_validator("token")
    @classmethod
    def _no_card_number(cls, token: str) -> str:
        if looks_like_a_card_number(token):
            raise ValueError("looks like a card number: send the processor's token of the card, never the number")
        if not (token.isascii() and token.replace("_", "").replace("-", "").isalnum()) or token.isdigit():
            raise ValueError("must be a token of letters, digits, _ and -")
        return token
