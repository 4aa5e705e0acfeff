"""Whether a provider takes a key: one cheap call with it, before anything is saved."""

import os
from functools import cache
from typing import Any

from gpubroker.kernel.errors import Invalid, Unavailable
from gpubroker.kernel.time import utc_now
from gpubroker.offers import errors
from gpubroker.offers.instances.port import Instance
from gpubroker.offers.instances.registry import RENTABLE, instances_of
from gpubroker.offers.providers.registry import KEYLESS, Fetcher, adapter

PATIENCE_S = 8.0
"""Seconds for the call; the caller waits for it."""

_LATER_S = 30.0


def parts_of(provider: str) -> tuple[str, ...] | None:
    """The names of the parts that this provider's credentials have; None where they are one key."""
    return getattr(adapter(provider), "KEY_PARTS", None)


def takes_a_key(provider: str) -> bool:
    """Whether a key is of any use: one that tells its prices to everybody and rents nothing here has none."""
    return provider in RENTABLE or provider not in KEYLESS


def instances_seen(provider: str, key: Any) -> list[Instance]:
    """The instances of the key's account; none where we cannot rent, and the provider's price list was read instead.

    Raises errors.ProviderError.
    """
    if provider in RENTABLE:
        return instances_of(provider, key, deadline=PATIENCE_S).list()
    told = _fetcher().fetch_all(keys={provider: key}, now=utc_now, slugs=[provider], time_box=PATIENCE_S)
    outcome = told[provider]
    if outcome.error is not None:
        kind: type[errors.ProviderError] = getattr(errors, outcome.error)
        raise kind(provider, outcome.detail, retry_after=outcome.retry_after)
    return []


def problem_of(error: errors.ProviderError, field: str) -> Invalid | Unavailable:
    """What the failed call means for the caller, in our words: a provider's own may quote the key."""
    match error:
        case errors.BadCredentials():
            return Invalid.of(field, "the provider does not accept it")
        case errors.QuotaExceeded():
            return Invalid.of(field, "the provider says that its account's limit or balance does not allow its use")
        case errors.RateLimited():
            later = error.retry_after or _LATER_S
            return Unavailable("The provider asks us to slow down; nothing was saved.", retry_after=later)
        case _:
            later = error.retry_after or _LATER_S
            return Unavailable("The provider could not tell whether this key is good; nothing was saved.",
                               retry_after=later)  # fmt: skip


@cache
def _fetcher() -> Fetcher:
    return Fetcher(os.environ.get("PROVIDERS_URL"))
