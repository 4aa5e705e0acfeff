"""A payment method: a card that the processor keeps, and by what its owner knows it. Never its number (PCI DSS 3.5)."""

import re
from dataclasses import dataclass
from datetime import datetime

from gpubroker.kernel.ids import named_id

MOST = 10
"""Payment methods of one account."""

_DIGITS = re.compile(r"\d(?:[ -]?\d){11,18}")


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    method_id: str
    account_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    created_at: datetime

    def expired(self, now: datetime) -> bool:
        """A card is good to the end of its month."""
        return (self.exp_year, self.exp_month) < (now.year, now.month)


def method_id_of(account_id: str, token: str) -> str:
    """The same card added twice is one payment method."""
    return named_id("pm", account_id, token)


def looks_like_a_card_number(text: str) -> bool:
    """12 to 19 digits, perhaps with spaces or dashes, that pass the Luhn check (ISO/IEC 7812)."""
    return any(_luhn(re.sub(r"\D", "", found[0])) for found in _DIGITS.finditer(text))


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
