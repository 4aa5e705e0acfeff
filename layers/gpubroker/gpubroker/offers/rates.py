"""What a unit of another currency is worth in USD: one dated table, refreshed by schedule.

A price that a provider states in another currency is converted once, where it is read, and the offer says at which
rate of which day. The rate of a day stays until the next one: an offer whose native price did not move moves with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Self


class UnknownCurrency(LookupError):
    """The table has no such currency; its code is the message."""


@dataclass(frozen=True, slots=True)
class Rates:
    """usd_per_unit: by ISO 4217 code; as_of: the day that the source quotes; source: where it stands."""

    usd_per_unit: Mapping[str, Decimal]
    as_of: date
    source: str
    _day: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_day", self.as_of.isoformat())

    @property
    def day(self) -> str:
        """`as_of` as text."""
        return self._day

    def rate(self, currency: str) -> Decimal:
        """USD for one unit. Raises UnknownCurrency."""
        if currency == "USD":
            return Decimal(1)
        try:
            return self.usd_per_unit[currency]
        except KeyError:
            raise UnknownCurrency(currency) from None

    def to_record(self) -> dict[str, Any]:
        """JSON-ready, for storage."""
        told = {code: format(rate, "f") for code, rate in sorted(self.usd_per_unit.items())}
        return {"as_of": self.day, "source": self.source, "usd_per_unit": told}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """What `to_record` wrote. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            {code: _positive(text) for code, text in record["usd_per_unit"].items()},
            date.fromisoformat(record["as_of"]),
            record["source"],
        )


def _positive(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not a rate: {text!r}") from error
    if not rate.is_finite() or rate <= 0:
        raise ValueError(f"not a rate: {text!r}")
    return rate


DATED = Rates(
    {
        "AUD": Decimal("0.702465"),
        "BRL": Decimal("0.184077"),
        "CAD": Decimal("0.715879"),
        "CHF": Decimal("1.215140"),
        "CNY": Decimal("0.150311"),
        "CZK": Decimal("0.045875"),
        "DKK": Decimal("0.149488"),
        "EUR": Decimal("1.117200"),
        "GBP": Decimal("1.339890"),
        "HKD": Decimal("0.127459"),
        "INR": Decimal("0.010531"),
        "JPY": Decimal("0.006359"),
        "KRW": Decimal("0.000749"),
        "NOK": Decimal("0.108340"),
        "PLN": Decimal("0.253690"),
        "SEK": Decimal("0.101767"),
        "SGD": Decimal("0.782243"),
    },
    date(2026, 10, 30),
    "European Central Bank, euro foreign exchange reference rates",
)
"""What stands in until a refresh has brought the rates of the day: reference rates, by way of the euro."""
