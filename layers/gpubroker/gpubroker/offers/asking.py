"""One bounded exchange over HTTP, as every adapter of prices asks. What it reads of the answers is in wire.py.

Bounds, everywhere: a body of at most `USUAL_BODY` bytes after decompression (`MAX_BODY` where one answer holds a whole
market), read in pieces, so that neither a huge nor a slow body costs more than its bound; a deadline over the whole of
a provider's calls, set by `providers/registry.py`.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from itertools import count
from typing import Any

import httpx
import orjson

from gpubroker.kernel.retry_after import seconds_until
from gpubroker.kernel.time import utc_now
from gpubroker.offers import errors
from gpubroker.resilience.hedging import Hedge

logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells addresses, and some providers want their key in them

MAX_BODY = 32 * 1024 * 1024
"""Bytes. The largest honest answer, 10,000 vast.ai machines, is about 20 MB."""

USUAL_BODY = 8 * 1024 * 1024
"""Bytes. What a call may answer that does not say otherwise: thirty providers that all lie fit beside each other."""


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
