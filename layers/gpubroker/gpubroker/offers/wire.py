"""What every adapter needs: rows in, offers out, and one bounded exchange over HTTP.

Bounds, everywhere: a body of at most `USUAL_BODY` bytes after decompression (`MAX_BODY` where one answer holds a whole
market), read in pieces, so that neither a huge nor a slow body costs more than its bound; a deadline over the whole of
a provider's calls, set by `providers/registry.py`.
"""

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import count
from typing import Annotated, Any, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpubroker.kernel.collection import no_collection
from gpubroker.kernel.money import micros
from gpubroker.kernel.retry_after import seconds_until
from gpubroker.kernel.time import utc_now
from gpubroker.offers import errors
from gpubroker.offers.offer import Availability, Offer, as_moment
from gpubroker.offers.rates import Rates, UnknownCurrency
from gpubroker.resilience.hedging import Hedge

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells addresses, and some providers want their key in them

MAX_BODY = 32 * 1024 * 1024
"""Bytes. The largest honest answer, 10,000 vast.ai machines, is about 20 MB."""

USUAL_BODY = 8 * 1024 * 1024
"""Bytes. What a call may answer that does not say otherwise: thirty providers that all lie fit beside each other."""

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


def account(provider: str, key: object, *names: str) -> tuple[str, ...]:
    """The parts of a key that is an object, in this order. Raises BadCredentials when one is missing."""
    parts = tuple(key.get(name) for name in names) if isinstance(key, Mapping) else ()
    if not parts or not all(isinstance(part, str) and part for part in parts):
        raise errors.BadCredentials(provider, f"{' and '.join(names)} are needed")
    return tuple(str(part) for part in parts)


def decoded(provider: str, body: bytes) -> Any:
    """The JSON of a body. NaN and infinity, which some servers write, cost their row and not the answer.

    Raises UnknownAnswer on everything else that is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        with suppress(ValueError, RecursionError):
            return json.loads(body)
    raise errors.UnknownAnswer(provider, f"not JSON: {_glimpse(body)}")


def _glimpse(body: bytes) -> str:
    """How a body begins, printable: enough to see a page of HTML, too little to quote a key that it echoes."""
    return ascii(body[:16].decode("utf-8", "replace").strip())


_NO_SECRETS = frozenset({"accept", "content-type", "user-agent"})


def secrets_of(headers: Mapping[str, str]) -> tuple[bytes, ...]:
    """The keys that a request carries in its headers, `Bearer` and the like taken off."""
    return tuple(
        word.encode()
        for name, value in headers.items()
        if name.lower() not in _NO_SECRETS and len(word := value.rpartition(" ")[2]) >= 8
    )


def without(body: bytes | bytearray, secrets: Iterable[bytes]) -> bytes:
    """An answer in which the key that was sent does not stand any more: some providers quote it when they refuse it,
    and what is read from an answer may come to be shown."""
    answer = bytes(body)
    for secret in secrets:
        if secret in answer:
            answer = answer.replace(secret, b"[key]")
    return answer


def refusal(provider: str, status: int, headers: Mapping[str, str]) -> errors.ProviderError | None:
    """The error that a status alone tells of, None for 2xx. Adapters that know more ask the body first."""
    if 200 <= status < 300:
        return None
    if status in (401, 403):
        return errors.BadCredentials(provider, f"answered {status}")
    wait = seconds_until(headers.get("retry-after"), utc_now())
    if status == 429:
        return errors.RateLimited(provider, "answered 429", retry_after=wait)
    if status in (408, 425) or status >= 500:
        return errors.ProviderUnavailable(provider, f"answered {status}", retry_after=wait)
    return errors.UnknownAnswer(provider, f"answered {status}")


async def ask(
    client: httpx.AsyncClient,
    provider: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    body: Any = None,
    max_body: int = USUAL_BODY,
    reason: Callable[[bytes], errors.ProviderError | None] | None = None,
) -> Any:
    """One call; the decoded JSON of a 2xx answer. Redirects are not followed: a price list does not move.

    A GET that takes unusually long may be made a second time (`hedge`). `reason` reads the body of a refusal, for
    providers whose status alone does not say what is wrong.

    Raises BadCredentials, RateLimited, ProviderUnavailable or UnknownAnswer, and nothing else but cancellation.
    """
    content = None if body is None else orjson.dumps(body)
    sent = {"accept": "application/json", **(headers or {})}
    if content is not None:
        sent.setdefault("content-type", "application/json")

    async def once() -> Any:
        request = client.build_request(method, url, headers=sent, params=params, content=content)
        return await _answer(client, provider, request, max_body, secrets_of(headers or {}), reason)

    hedged = hedge.get() if method == "GET" else None
    return await (once() if hedged is None else hedged.read(once))


hedge: ContextVar[Hedge | None] = ContextVar("hedge", default=None)
"""How the calls to the provider that is being asked are hedged; set by `providers/registry.py`."""


async def _answer(
    client: httpx.AsyncClient,
    provider: str,
    request: httpx.Request,
    max_body: int,
    secrets: Iterable[bytes],
    reason: Callable[[bytes], errors.ProviderError | None] | None,
) -> Any:
    try:
        response = await _begun(client, request)
        try:
            received = bytearray()
            async for piece in response.aiter_bytes():
                received += piece
                if len(received) > max_body:
                    raise errors.UnknownAnswer(provider, f"a body over {max_body} bytes")
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise no_answer(provider, error) from None  # its own words can quote a header
    answer = without(received, secrets)
    if failure := refusal(provider, response.status_code, response.headers):
        told = reason(answer) if reason else None
        if told is not None:
            told.retry_after = failure.retry_after
        raise told or failure
    return decoded(provider, answer)


STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""What using a kept connection looks like that the other side has closed meanwhile (a Lambda sleeps between calls)."""


async def _begun(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The answer's beginning. All calls here are reads, so one over a stale connection is made once more."""
    try:
        return await client.send(request, stream=True, follow_redirects=False)
    except STALE:
        return await client.send(request, stream=True, follow_redirects=False)


def no_answer(provider: str, error: httpx.HTTPError) -> errors.ProviderError:
    """The error that the lack of an answer is. Only its kind is told: messages can hold addresses."""
    if isinstance(error, httpx.TimeoutException):
        return errors.ProviderUnavailable(provider, f"timed out ({type(error).__name__})")
    if isinstance(error, httpx.DecodingError):
        return errors.UnknownAnswer(provider, "a body that does not decompress")
    return errors.ProviderUnavailable(provider, f"no answer ({type(error).__name__})")


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of calls made side by side. The first that fails cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return [task.result() for task in tasks]


async def side_by_side(
    call: Callable[[str], Coroutine[Any, Any, Any]], places: Iterable[str], *, at_most: int = 12
) -> dict[str, Any]:
    """What `call` gives for each place, no more than `at_most` at once. All or nothing: a place that failed must not
    look like one that sells nothing.
    """
    gate = asyncio.Semaphore(at_most)

    async def of(place: str) -> Any:
        async with gate:
            return await call(place)

    wanted = list(places)
    return dict(zip(wanted, await together(*(of(place) for place in wanted)), strict=True))


async def pages(
    provider: str,
    page: Callable[[Mapping[str, str]], Coroutine[Any, Any, Any]],
    rows_of: Callable[[Any], Any],
    following: Callable[[Any, int], Mapping[str, str] | None],
    *,
    most: int = 50,
) -> list[Any]:
    """The rows of all pages, one after the other. `page(params)` asks, `following(answer, rows read so far)` says what
    to ask next or None. Raises UnknownAnswer past `most` pages: a list that is cut off looks like a market sold out.
    """
    rows: list[Any] = []
    params: Mapping[str, str] = {}
    for _ in range(most):
        answer = await page(params)
        found = rows_of(answer)
        if not isinstance(found, list):
            raise errors.UnknownAnswer(provider, f"a list was expected, not {type(found).__name__}")
        rows += found
        told = following(answer, len(rows))
        if told is None or not found:
            return rows
        params = told
    raise errors.UnknownAnswer(provider, f"more than {most} pages")


async def numbered_pages(
    provider: str,
    page: Callable[[Mapping[str, str]], Coroutine[Any, Any, Any]],
    rows_of: Callable[[Any], Any],
    number: str,
    *,
    size: int,
) -> list[Any]:
    """`pages` for a provider that counts them from 1 in the parameter `number` and does not say how many there are:
    until one is shorter than `size`, or is the one before it again (it does not page after all).
    """
    numbers = count(2)
    last: Any = None

    def following(answer: Any, read: int) -> Mapping[str, str] | None:
        nonlocal last
        del read
        again, last = answer == last, answer
        return None if again or len(rows_of(answer)) < size else {number: str(next(numbers))}

    return await pages(provider, page, rows_of, following)


def bearer(key: object) -> dict[str, str]:
    """The header of a bearer key; nothing for a provider that answers without one."""
    return {"authorization": f"Bearer {key}"} if key else {}
