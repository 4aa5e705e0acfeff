"""The providers, and asking them: one, or all side by side, each in its own box of time.

What goes wrong at one provider is that provider's outcome and nobody else's (R7.2, checklist 216).
"""

import asyncio
import importlib
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import httpx

from gpubroker.kernel.time import Clock
from gpubroker.offers import errors, wire
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.rates import DATED, Rates

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


class Adapter(Protocol):
    """What each provider's module has."""

    SLUG: str
    ORIGIN: str

    async def fetch_payload(self, client: httpx.AsyncClient, base_url: str, key: Any) -> Any: ...

    def normalise(self, payload: Any, *, fetched_at: datetime | float | str, **rates: Rates) -> wire.Offers: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What asking one provider came to: `offers`, or the class name of the error. `duration` in seconds."""

    provider: str
    fetched_at: datetime
    duration: float
    offers: wire.Offers | None = None
    error: str | None = None
    detail: str = ""
    retry_after: float | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)

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
    one = adapter(slug)
    if api_key is None and slug not in KEYLESS:
        raise errors.BadCredentials(slug, "no key")
    try:
        async with asyncio.timeout(time_box):
            payload = await one.fetch_payload(client, base_url or one.ORIGIN, api_key)
    except TimeoutError as error:
        raise errors.ProviderUnavailable(slug, f"no complete answer in {time_box:g} s") from error
    except errors.ProviderError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.exception("an answer that the adapter cannot walk", extra={"provider": slug})
        raise errors.UnknownAnswer(slug, f"an answer of another shape ({type(error).__name__})") from error
    try:
        return one.normalise(payload, fetched_at=now(), **({"rates": rates} if slug in CONVERTING else {}))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.exception("a payload that the adapter cannot read", extra={"provider": slug})
        raise errors.UnknownAnswer(slug, f"an answer of another shape ({type(error).__name__})") from error


async def outcome_of(
    slug: str,
    client: httpx.AsyncClient,
    *,
    base_url: str | None,
    api_key: Any,
    now: Clock,
    rates: Rates = DATED,
    time_box: float = TIME_BOX,
) -> Outcome:
    """`fetch`, with its error as a value."""
    begun = time.perf_counter()
    try:
        offers = await fetch(slug, client, base_url=base_url, api_key=api_key, now=now, rates=rates, time_box=time_box)
    except errors.ProviderError as error:
        return Outcome(
            provider=slug,
            fetched_at=now(),
            duration=time.perf_counter() - begun,
            error=type(error).__name__,
            detail=error.detail,
            retry_after=error.retry_after,
        )
    return Outcome(
        provider=slug,
        fetched_at=now(),
        duration=time.perf_counter() - begun,
        offers=offers,
        skipped=dict(offers.skipped),
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
) -> dict[str, Outcome]:
    """Every provider side by side; none waits for another, none costs another."""
    wanted = sorted(PROVIDERS if slugs is None else slugs)
    outcomes = await asyncio.gather(
        *(
            outcome_of(
                slug,
                client,
                base_url=base_url_of(slug, providers_url),
                api_key=_key_of(keys, slug),
                now=now,
                rates=rates,
                time_box=time_box,
            )
            for slug in wanted
        )
    )
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

    def fetch_all(
        self,
        *,
        keys: Mapping[str, Any],
        now: Clock,
        slugs: Iterable[str] | None = None,
        rates: Rates = DATED,
        time_box: float = TIME_BOX,
    ) -> dict[str, Outcome]:
        """See `fetch_all`."""
        return self._runner.run(self._fetch_all(keys, now, slugs, rates, time_box))

    async def _fetch_all(
        self, keys: Mapping[str, Any], now: Clock, slugs: Iterable[str] | None, rates: Rates, time_box: float
    ) -> dict[str, Outcome]:
        if self._client is None:
            self._client = new_client(local=self.providers_url is not None)
        return await fetch_all(
            self._client,
            providers_url=self.providers_url,
            keys=keys,
            now=now,
            slugs=slugs,
            rates=rates,
            time_box=time_box,
        )

    def close(self) -> None:
        """Close the connections and the loop."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
            self._client = None
        self._runner.close()
