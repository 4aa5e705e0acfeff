"""The providers, and asking them: one, or all side by side, each in its own box of time.

What goes wrong at one provider is that provider's outcome and nobody else's (R7.2, checklist 216). All are begun in
the order in which they are named, `AT_ONCE` at a time; one that does not answer at once gives its place to the next
(resilience/places.py), and all end within `GIVE_ON_S` after a box of time that began with the first.
"""

import asyncio
import contextvars
import importlib
import logging
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import httpx

from gpubroker.kernel import deadline
from gpubroker.kernel.time import Clock
from gpubroker.offers import errors, wire
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.limits import NOT_HEDGED
from gpubroker.resilience.hedging import Budget, Hedge
from gpubroker.resilience.places import Places

log = logging.getLogger(__name__)

PROVIDERS: dict[str, str] = {
    slug: f"gpubroker.offers.providers.{slug}"
    for slug in ("azure", "hyperstack", "lambdalabs", "primeintellect", "runpod", "shadeform", "vastai", "verda")
}

KEYLESS = frozenset({"azure", "runpod", "vastai"})
"""Providers that tell their prices without a key."""

TIME_BOX = 5.0
"""Seconds that one provider's calls may take together."""

AT_ONCE = 16
GIVE_ON_S = 0.5
"""Seconds after which a provider that has not answered no longer counts among those that are asked at once."""

LEAST_S = 0.25
"""With less time left than this nobody is asked."""

_SHAPES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What walking an answer of another shape raises."""


class Adapter(Protocol):
    """What each provider's module has."""

    SLUG: str
    ORIGIN: str

    async def fetch_payload(self, client: httpx.AsyncClient, base_url: str, key: Any) -> Any: ...

    def normalise(self, payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What asking one provider came to: `offers`, or the class name of the error. `duration` in seconds, `hedges` the
    calls that were made a second time."""

    provider: str
    fetched_at: datetime
    duration: float
    offers: wire.Offers | None = None
    error: str | None = None
    detail: str = ""
    retry_after: float | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    hedges: int = 0

    @property
    def ok(self) -> bool:
        return self.error is None


def adapter(slug: str) -> Adapter:
    """The provider's module, imported when first asked for. Raises KeyError for a slug that is none."""
    return cast(Adapter, importlib.import_module(PROVIDERS[slug]))


def base_url_of(slug: str, providers_url: str | None) -> str:
    """Where a provider is: its own address, or `<providers_url>/<slug>` with the same paths below it."""
    return f"{providers_url.rstrip('/')}/{slug}" if providers_url else adapter(slug).ORIGIN


def new_client(*, local: bool) -> httpx.AsyncClient:
    """A pooled client. Local calls never take a proxy that the environment names."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIME_BOX, connect=2.0),
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=40, keepalive_expiry=60),
        headers={"user-agent": "gpubroker/2"},
        trust_env=not local,
    )


async def fetch(
    slug: str,
    client: httpx.AsyncClient,
    *,
    base_url: str | None = None,
    api_key: Any = None,
    now: Clock,
    time_box: float = TIME_BOX,
) -> wire.Offers:
    """All offers of one provider, fetched_at the moment when its last answer had arrived.

    `base_url` None is the provider's real address. Raises only the errors of `offers/errors.py`.
    """
    one = adapter(slug)
    if api_key is None and slug not in KEYLESS:
        raise errors.BadCredentials(slug, "no key")
    box = min(time_box, deadline.left())
    if box < LEAST_S:
        raise errors.ProviderUnavailable(slug, "not asked: no time was left")
    try:
        async with asyncio.timeout(box):
            payload = await one.fetch_payload(client, base_url or one.ORIGIN, api_key)
        return one.normalise(payload, fetched_at=now())
    except TimeoutError as error:
        raise errors.ProviderUnavailable(slug, f"no complete answer in {box:.3g} s") from error
    except errors.ProviderError:
        raise
    except _SHAPES as error:  # theirs: one line is enough, and it quotes nothing of the answer
        log.warning("an answer of another shape", extra={"provider": slug, "error": _place_of(error)})
        raise errors.UnknownAnswer(slug, f"an answer of another shape ({type(error).__name__})") from error
    except Exception as error:  # ours: a bug in one adapter is that provider's trouble and nobody else's
        log.exception("an adapter failed", extra={"provider": slug})
        raise errors.UnknownAnswer(slug, f"the adapter failed ({type(error).__name__})") from error


def _place_of(error: Exception) -> str:
    """What was raised and where, without the message: it may hold a part of the answer."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}"


async def outcome_of(
    slug: str,
    client: httpx.AsyncClient,
    *,
    base_url: str | None,
    api_key: Any,
    now: Clock,
    time_box: float = TIME_BOX,
    hedge: Hedge | None = None,
) -> Outcome:
    """`fetch`, with its error as a value."""
    begun = time.perf_counter()
    token = wire.hedge.set(hedge)
    try:
        offers = await fetch(slug, client, base_url=base_url, api_key=api_key, now=now, time_box=time_box)
    except errors.ProviderError as error:
        return Outcome(
            provider=slug,
            fetched_at=now(),
            duration=time.perf_counter() - begun,
            error=type(error).__name__,
            detail=error.detail,
            retry_after=error.retry_after,
            hedges=hedge.made if hedge else 0,
        )
    finally:
        wire.hedge.reset(token)
    return Outcome(
        provider=slug,
        fetched_at=now(),
        duration=time.perf_counter() - begun,
        offers=offers,
        skipped=dict(offers.skipped),
        hedges=hedge.made if hedge else 0,
    )


async def fetch_all(
    client: httpx.AsyncClient,
    *,
    providers_url: str | None,
    keys: Mapping[str, Any],
    now: Clock,
    slugs: Iterable[str] | None = None,
    time_box: float = TIME_BOX,
    usual: Mapping[str, float] | None = None,
    budget: Budget | None = None,
) -> dict[str, Outcome]:
    """Every provider side by side; none waits for another, none costs another.

    slugs   in the order in which they are begun
    usual   seconds that healthy providers usually take: calls of theirs that take much longer are hedged
    budget  how many such calls there may be
    """
    wanted = sorted(PROVIDERS) if slugs is None else list(slugs)
    places, usual = Places(AT_ONCE, GIVE_ON_S), usual or {}
    budget = budget or Budget()
    time_now = asyncio.get_running_loop().time
    ends = time_now() + time_box + GIVE_ON_S

    async def one(slug: str) -> Outcome:
        async with places.one():
            return await outcome_of(
                slug,
                client,
                base_url=base_url_of(slug, providers_url),
                api_key=_key_of(keys, slug),
                now=now,
                time_box=min(time_box, ends - time_now()),
                hedge=Hedge.of(None if slug in NOT_HEDGED else usual.get(slug), budget),
            )

    outcomes = await asyncio.gather(*map(one, wanted))
    return {outcome.provider: outcome for outcome in outcomes}


def _key_of(keys: Mapping[str, Any], slug: str) -> Any:
    """The key, None where there is none or where none can be had just now: some providers answer without."""
    try:
        return keys.get(slug)
    except CredentialsUnavailable:
        return None


class Fetcher:
    """`fetch_all` for a caller that is not asynchronous: one event loop and one pool of connections for its whole life.

    A Lambda keeps one in a cached factory, so that a warm invocation finds its connections open. Not for two threads.
    """

    def __init__(self, providers_url: str | None = None) -> None:
        self.providers_url = providers_url or None
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None
        self._budget = Budget()

    def fetch_all(
        self,
        *,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str] | None = None,
        time_box: float = TIME_BOX,
        usual: Mapping[str, float] | None = None,
    ) -> dict[str, Outcome]:
        """See `fetch_all`. The deadline of the caller holds inside (the runner would keep that of its first run)."""
        return self._runner.run(self._fetch_all(keys, now, slugs, time_box, usual), context=contextvars.copy_context())

    async def _fetch_all(
        self,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str] | None,
        time_box: float,
        usual: Mapping[str, float] | None,
    ) -> dict[str, Outcome]:
        if self._client is None:
            self._client = new_client(local=self.providers_url is not None)
        return await fetch_all(
            self._client,
            providers_url=self.providers_url,
            keys=keys,
            now=now,
            slugs=slugs,
            time_box=time_box,
            usual=usual,
            budget=self._budget,
        )

    def close(self) -> None:
        """Close the connections and the loop."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
            self._client = None
        self._runner.close()
