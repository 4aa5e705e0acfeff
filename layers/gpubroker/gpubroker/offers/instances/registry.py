"""Which providers we can rent at, and what speaks to each; whose account it is, accounts.py knows."""

import functools
import os
from collections.abc import Callable
from typing import Any

import httpx

from gpubroker.offers import errors
from gpubroker.offers.instances import lambdalabs, runpod, shadeform, vastai
from gpubroker.offers.instances.exchange import DEADLINE, Exchange
from gpubroker.offers.instances.port import InstanceApi

_KINDS: dict[str, tuple[str, Callable[[Any], dict[str, str]], Callable[[Exchange], InstanceApi]]] = {
    vastai.SLUG: (vastai.ORIGIN, vastai.headers, vastai.VastInstances),
    runpod.SLUG: (runpod.ORIGIN, runpod.headers, runpod.RunPodInstances),
    lambdalabs.SLUG: (lambdalabs.ORIGIN, lambdalabs.headers, lambdalabs.LambdaInstances),
    shadeform.SLUG: (shadeform.ORIGIN, shadeform.headers, shadeform.ShadeformInstances),
}

RENTABLE: frozenset[str] = frozenset(_KINDS)
"""Slugs of the providers at which this house can create instances."""


def instances_of(slug: str, key: Any, *, providers_url: str | None = None, deadline: float = DEADLINE) -> InstanceApi:
    """The instances of one account at one provider: the account whose key this is.

    `providers_url` None is what PROVIDERS_URL says, and that empty the real provider. `deadline`: seconds for one call.
    Raises LookupError for a provider that we cannot rent at, BadCredentials when there is no key.
    """
    if slug not in _KINDS:
        raise LookupError(f"{slug} is no provider to rent at")
    if not key:
        raise errors.BadCredentials(slug, "no key")
    origin, headers, kind = _KINDS[slug]
    local = os.environ.get("PROVIDERS_URL", "") if providers_url is None else providers_url
    base_url = f"{local.rstrip('/')}/{slug}" if local else origin
    return kind(Exchange(slug, base_url, headers(key), _client(bool(local)), deadline=deadline))


@functools.cache
def _client(local: bool) -> httpx.Client:
    """One pool of connections for the life of a warm Lambda. Local calls never take the environment's proxy."""
    return httpx.Client(
        timeout=httpx.Timeout(DEADLINE, connect=5.0),
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=60),
        headers={"user-agent": "gpubroker/2"},
        trust_env=not local,
    )
