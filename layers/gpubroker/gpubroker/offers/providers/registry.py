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
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast

import httpx

from gpubroker.kernel import deadline
from gpubroker.kernel.time import Clock
from gpubroker.offers import asking, errors, wire
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.limits import NOT_HEDGED
from gpubroker.offers.rates import DATED, Rates
from gpubroker.resilience.hedging import Budget, Hedge
from gpubroker.resilience.places import Places

log = logging.getLogger(__name__)

PROVIDERS: dict[str, str] = {
    slug: f"gpubroker.offers.providers.{slug}"
    for slug in (
        "akash",
        "aws",
        "azure",
        "cloudrift",
        "crusoe",
        "cudo",
        "digitalocean",
        "fluidstack",
        "gcp",
        "hotaisle",
        "hyperbolic",
        "hyperstack",
        "jarvislabs",
        "koyeb",
        "lambdalabs",
        "latitude",
        "linode",
        "mithril",
        "oci",
        "ovhcloud",
        "paperspace",
        "primeintellect",
        "runpod",
        "salad",
        "scaleway",
        "seeweb",
        "shadeform",
        "tensordock",
        "together",
        "vastai",
        "verda",
        "vultr",
    )
}

KEYLESS = frozenset(
    {
        "akash",
        "azure",
        "cloudrift",
        "cudo",
        "koyeb",
        "linode",
        "oci",
        "ovhcloud",
        "runpod",
        "vastai",
        "vultr",
    }
)
"""Providers that tell their prices without a key."""

CONVERTING: frozenset[str] = frozenset(
    {
        "ovhcloud",
        "scaleway",
        "seeweb",
    }
)
"""Providers whose prices are not all in USD: their `normalise` takes `rates` as well."""

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
    """What each provider's module has. One whose credentials have parts names them in KEY_PARTS."""

    SLUG: str
    ORIGIN: str

    async def fetch_payload(self, client: httpx.AsyncClient, base_url: str, key: Any) -> Any: ...

    def normalise(self, payload: Any, *, fetched_at: datetime | float | str, **rates: Rates) -> wire.Offers: ...


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
    rates: Rates = DATED,
    time_box: float = TIME_BOX,
) -> wire.Offers:
    """All offers of one provider, fetched_at the moment when its last answer had arrived.

    `base_url` None is the provider's real address. Raises only the errors of `offers/errors.py`.
    """
    payload = await _payload_of(slug, client, base_url, api_key, time_box)
    return _offers_of(slug, payload, now(), rates)


async def _payload_of(
    slug: str, client: httpx.AsyncClient, base_url: str | None, api_key: Any, time_box: float
) -> object:
    one = adapter(slug)
    if api_key is None and slug not in KEYLESS:
        raise errors.BadCredentials(slug, "no key")
    box = min(time_box, deadline.left())
    if box < LEAST_S:
        raise errors.ProviderUnavailable(slug, "not asked: no time was left")
    try:
        with _told_as_ours(slug):
            async with asyncio.timeout(box):
                return await one.fetch_payload(client, base_url or one.ORIGIN, api_key)
    except TimeoutError as error:
        raise errors.ProviderUnavailable(slug, f"no complete answer in {box:.3g} s") from error


def _offers_of(slug: str, payload: object, fetched_at: datetime, rates: Rates) -> wire.Offers:
    with _told_as_ours(slug):
        converting = {"rates": rates} if slug in CONVERTING else {}
        return adapter(slug).normalise(payload, fetched_at=fetched_at, **converting)


@contextmanager
def _told_as_ours(slug: str) -> Iterator[None]:
    """Around an adapter: whatever it raises is one of the errors of `offers/errors.py`, or a time-out."""
    try:
        yield
    except (errors.ProviderError, TimeoutError):
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


Work = Callable[[], Any]


async def _at_once(work: Work) -> Any:
    return work()


async def outcome_of(
    slug: str,
    client: httpx.AsyncClient,
    *,
    base_url: str | None,
    api_key: Any,
    now: Clock,
    rates: Rates = DATED,
    time_box: float = TIME_BOX,
    hedge: Hedge | None = None,
    elsewhere: Callable[[Work], Awaitable[Any]] = _at_once,
) -> Outcome:
    """`fetch`, with its error as a value. `duration` is the provider's own time: until its last answer had arrived.

    elsewhere: does work that takes long and waits for nobody (reading the answer), so that others are not held up.
    """
    begun = time.perf_counter()
    took: float | None = None
    offers, failed = None, None
    token = asking.hedge.set(hedge)
    try:
        payload = await _payload_of(slug, client, base_url, api_key, time_box)
        took, arrived = time.perf_counter() - begun, now()
        offers = await elsewhere(lambda: _offers_of(slug, payload, arrived, rates))
    except errors.ProviderError as error:
        arrived, failed = now(), error
    finally:
        asking.hedge.reset(token)
    return Outcome(
        provider=slug,
        fetched_at=arrived,
        duration=time.perf_counter() - begun if took is None else took,
        offers=offers,
        error=type(failed).__name__ if failed else None,
        detail=failed.detail if failed else "",
        retry_after=failed.retry_after if failed else None,
        skipped=dict(offers.skipped) if offers is not None else {},
        hedges=hedge.made if hedge else 0,
    )


async def fetch_all(
    client: httpx.AsyncClient,
    *,
    providers_url: str | None,
    keys: Mapping[str, Any],
    now: Clock,
    slugs: Iterable[str] | None = None,
    rates: Rates = DATED,
    time_box: float = TIME_BOX,
    usual: Mapping[str, float] | None = None,
    budget: Budget | None = None,
    take: Callable[[Outcome], None] | None = None,
    worker: Executor | None = None,
) -> dict[str, Outcome]:
    """Every provider side by side; none waits for another, none costs another.

    slugs   in the order in which they are begun
    usual   seconds that healthy providers usually take: calls of theirs that take much longer are hedged
    budget  how many such calls there may be
    take    is given each outcome as soon as it is there, one at a time; it must not raise
    worker  one thread, in which answers are read and taken while the other providers are still answering
    """
    wanted = sorted(PROVIDERS) if slugs is None else list(slugs)
    places, usual = Places(AT_ONCE, GIVE_ON_S), usual or {}
    budget = budget or Budget()
    loop = asyncio.get_running_loop()
    ends = loop.time() + time_box + GIVE_ON_S

    async def elsewhere(work: Work) -> Any:
        if worker is None:
            return work()
        return await loop.run_in_executor(worker, contextvars.copy_context().run, work)

    async def one(slug: str) -> Outcome:
        async with places.one():
            outcome = await outcome_of(
                slug,
                client,
                base_url=base_url_of(slug, providers_url),
                api_key=_key_of(keys, slug),
                now=now,
                rates=rates,
                time_box=min(time_box, ends - loop.time()),
                hedge=Hedge.of(None if slug in NOT_HEDGED else usual.get(slug), budget),
                elsewhere=elsewhere,
            )
        if take is not None:
            await elsewhere(partial(take, outcome))
        return outcome

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
    `rates` gives the exchange rates of the moment.
    """

    def __init__(self, providers_url: str | None = None, *, rates: Callable[[], Rates] = lambda: DATED) -> None:
        self.providers_url = providers_url or None
        self._rates = rates
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None
        self._budget = Budget()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="answers")

    def fetch_all(
        self,
        *,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str] | None = None,
        time_box: float = TIME_BOX,
        usual: Mapping[str, float] | None = None,
        take: Callable[[Outcome], None] | None = None,
    ) -> dict[str, Outcome]:
        """See `fetch_all`. The deadline of the caller holds inside (the runner would keep that of its first run)."""
        fetched = self._fetch_all(keys, now, slugs, time_box, usual, take)
        return self._runner.run(fetched, context=contextvars.copy_context())

    async def _fetch_all(
        self,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str] | None,
        time_box: float,
        usual: Mapping[str, float] | None,
        take: Callable[[Outcome], None] | None,
    ) -> dict[str, Outcome]:
        if self._client is None:
            self._client = new_client(local=self.providers_url is not None)
        return await fetch_all(
            self._client,
            providers_url=self.providers_url,
            keys=keys,
            now=now,
            slugs=slugs,
            rates=self._rates(),
            time_box=time_box,
            usual=usual,
            budget=self._budget,
            take=take,
            worker=self._worker,
        )

    def close(self) -> None:
        """Close the connections and the loop."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
            self._client = None
        self._worker.shutdown()
        self._runner.close()
