"""What every adapter reads with: rows in, offers out. How it asks is in asking.py."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpubroker.kernel.collection import no_collection
from gpubroker.kernel.money import micros
from gpubroker.offers import errors
from gpubroker.offers.offer import Availability, Offer, as_moment
from gpubroker.offers.rates import Rates, UnknownCurrency

log = logging.getLogger(__name__)

MAX_PRICE_PER_GPU = Decimal(1000)
"""USD per GPU-hour over which a price is a mistake: the dearest list price of 2026-05 is under 20."""


class Row(BaseModel):
    """One row of a provider's answer: unknown fields are ignored, those we use are held to their types."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Id = Annotated[str, Field(coerce_numbers_to_str=True)]
"""An id that a provider writes as a number here and as text there. `True` is no id."""


class Refused(ValueError):
    """This row cannot become an offer; the reason is what is counted."""


def amount(value: Decimal | str | float | None) -> Decimal | None:
    """The exact decimal that a JSON number or text shows; None for None. Raises Refused on what is no number.

    A JSON number arrives as a binary float whose shortest text is the number that was sent, so nothing is lost.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise Refused("price")
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation as error:
        raise Refused("price") from error
    if not exact.is_finite():
        raise Refused("price")
    return exact


def shown(value: float) -> str:
    """The decimal text of a JSON number: its shortest one, never with an exponent."""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text.removesuffix(".0")


def price(value: Decimal | str | float | None, *, gpus: int) -> tuple[int, int, str]:
    """(micro-USD per hour, micro-USD per GPU-hour, decimal text) of the whole machine's price in USD.

    Raises Refused when there is none, when it is not positive, or when it is absurd (`MAX_PRICE_PER_GPU`).
    """
    exact = amount(value)
    if exact is None:
        raise Refused("price")
    whole, each = _micros_of(exact, gpus)
    return whole, each, format(exact.normalize(), "f")


def _micros_of(exact: Decimal, gpus: int) -> tuple[int, int]:
    if exact <= 0 or exact > MAX_PRICE_PER_GPU * gpus:
        raise Refused("price")
    whole = micros(exact)
    if whole == 0:
        raise Refused("price")
    return whole, micros(exact / gpus)


def _quick_price(value: float, gpus: int) -> tuple[int, int, str] | None:
    """The same for a usual JSON number, without decimals: None where rounding could come out otherwise.

    A product of a double is off by 1e-16 of itself, under 1e-5 micro-USD here; only nearer than that to a half could
    it round to the other side.
    """
    if not 1e-4 <= value <= 1000.0:
        return None
    scaled = value * 1e6
    each = scaled / gpus
    whole, of_one = round(scaled), round(each)
    if abs(scaled - whole) > 0.4999 or abs(each - of_one) > 0.4999:
        return None
    return whole, of_one, shown(value)


def priced(
    value: Decimal | str | float | None, *, gpus: int, currency: str = "USD", rates: Rates | None = None
) -> dict[str, Any]:
    """The fields of an Offer that say what the whole machine costs per hour, from its price in any currency.

    Raises Refused as `price` does, and for a currency that `rates` does not have (counted as "currency").
    """
    if currency == "USD":
        quick = _quick_price(value, gpus) if type(value) is float else None
        whole, each, text = quick or price(value, gpus=gpus)
        return {
            "price_micros_per_hour": whole,
            "price_micros_per_gpu_hour": each,
            "currency": "USD",
            "native_price": text,
        }
    exact = amount(value)
    if exact is None:
        raise Refused("price")
    if rates is None:
        raise Refused("currency")
    try:
        rate = rates.rate(currency)
    except UnknownCurrency as error:
        raise Refused("currency") from error
    whole, each = _micros_of(exact * rate, gpus)
    return {
        "price_micros_per_hour": whole,
        "price_micros_per_gpu_hour": each,
        "currency": currency,
        "native_price": format(exact.normalize(), "f"),
        "exchange_rate": format(rate.normalize(), "f"),
        "exchange_rate_as_of": rates.day,
    }


UNPRICED: dict[str, Any] = {
    "price_micros_per_hour": None,
    "price_micros_per_gpu_hour": None,
    "currency": "USD",
    "native_price": None,
}
"""The same fields where a provider sells the machine and its API tells no price."""


def gpu_number(value: int | None) -> int:
    """How many GPUs: 1 to 64. Raises Refused on anything else (a CPU-only shape has none)."""
    if value is None or not 1 <= value <= 64:
        raise Refused("gpu_count")
    return value


COUNTS = (1, 2, 4, 8)
"""The sizes in which a cloud that sells GPUs by the piece is listed."""

_STOCK = {True: Availability.AVAILABLE, False: Availability.UNAVAILABLE, None: Availability.UNKNOWN}


def stock(free: bool | None, *, confidence: float = 0.8) -> dict[str, Any]:
    """The fields of an Offer that say whether it can be had, from a provider's yes, no or silence."""
    return {"availability": _STOCK[free], "availability_confidence": 0.0 if free is None else confidence}


@lru_cache(maxsize=65_536)
def tidy(value: float | None, digits: int = 2) -> float | None:
    """A size to show: whole numbers whole, others rounded; None for what is missing, not finite or negative."""
    if value is None or not math.isfinite(value) or value < 0:
        return None
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


class Offers(list[Offer]):
    """A list of offers that remembers what it had to leave out: `skipped[reason]` rows."""

    skipped: Counter[str]

    def __init__(self, offers: Iterable[Offer] = (), skipped: Mapping[str, int] | None = None) -> None:
        super().__init__(offers)
        self.skipped = Counter(skipped or {})


R = TypeVar("R", bound=Row)


class Harvest:
    """Collects the offers of one answer. A bad row is counted and costs no other; duplicates keep the first."""

    def __init__(self, provider: str, fetched_at: datetime | float | str) -> None:
        self.provider = provider
        self.fetched_at = as_moment(fetched_at)
        self._offers: dict[str, Offer] = {}
        self._skipped: Counter[str] = Counter()

    def skip(self, reason: str) -> None:
        self._skipped[reason] += 1

    def add(self, offer: Offer) -> None:
        if offer.offer_id in self._offers:
            self.skip("duplicate")
        else:
            self._offers[offer.offer_id] = offer

    def read(self, kind: type[R], rows: object) -> Iterator[R]:
        """The rows that are such a thing; the others are counted by the field that is wrong."""
        if not isinstance(rows, list):
            raise errors.UnknownAnswer(self.provider, f"a list was expected, not {type(rows).__name__}")
        validated = kind.__pydantic_validator__.validate_python  # model_validate, without its half microsecond
        for raw in rows:
            try:
                row = validated(raw)
            except ValidationError as error:
                wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
                self.skip(".".join(str(part) for part in wrong) or "row")
            else:
                yield row

    def each(self, kind: type[R], rows: object, offers_of: Callable[[R], Iterable[Offer]]) -> None:
        """Collect the offers of every row; a row that `offers_of` refuses is counted, what it gave before is kept."""
        with no_collection():
            for row in self.read(kind, rows):
                try:
                    for offer in offers_of(row):
                        self.add(offer)
                except Refused as refused:
                    self.skip(str(refused))

    def offers(self) -> Offers:
        """What was read. One log line tells of what was not, whatever the number of rows."""
        if self._skipped:
            log.warning(
                "rows skipped",
                extra={"provider": self.provider, "skipped": dict(self._skipped), "kept": len(self._offers)},
            )
        return Offers(self._offers.values(), self._skipped)


def member(provider: str, payload: object, *names: str) -> Any:
    """`payload[names[0]]`, or the first of the other names that is there. Raises UnknownAnswer when none is."""
    if isinstance(payload, Mapping):
        for name in names:
            if name in payload:
                return payload[name]
    raise errors.UnknownAnswer(provider, f"no {' or '.join(names)} in the answer")


def listed(provider: str, payload: object, *names: str) -> Any:
    """The rows of an answer that is the list itself, or has it under one of these names. Raises UnknownAnswer."""
    return payload if isinstance(payload, list) else member(provider, payload, *names)
