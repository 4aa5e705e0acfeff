"""Which providers we can rent at, and what speaks to each; whose account it is, accounts.py knows."""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from gpubroker.offers import errors
from gpubroker.offers.instances import (
    digitalocean,
    hyperstack,
    lambdalabs,
    latitude,
    linode,
    runpod,
    scaleway,
    shadeform,
    tensordock,
    vastai,
    verda,
    vultr,
)
from gpubroker.offers.instances.exchange import DEADLINE, Exchange
from gpubroker.offers.instances.port import InstanceApi

Made = Callable[[Exchange, Any], InstanceApi]
"""An account's instances, of an exchange that has its headers, and of the key for what is more than a header."""


def _plain(kind: Callable[[Exchange], InstanceApi]) -> Made:
    """Of a provider whose key is in the headers and nowhere else."""
    return lambda exchange, key: kind(exchange)


def _of_project(exchange: Exchange, key: Any) -> InstanceApi:
    return scaleway.ScalewayInstances(exchange, key.get("project") if isinstance(key, Mapping) else None)


_KINDS: dict[str, tuple[str, Callable[[Any], dict[str, str]], Made]] = {
    digitalocean.SLUG: (digitalocean.ORIGIN, digitalocean.headers, _plain(digitalocean.DropletInstances)),
    hyperstack.SLUG: (hyperstack.ORIGIN, hyperstack.headers, _plain(hyperstack.HyperstackInstances)),
    lambdalabs.SLUG: (lambdalabs.ORIGIN, lambdalabs.headers, _plain(lambdalabs.LambdaInstances)),
    latitude.SLUG: (latitude.ORIGIN, latitude.headers, latitude.LatitudeInstances),
    linode.SLUG: (linode.ORIGIN, linode.headers, _plain(linode.LinodeInstances)),
    runpod.SLUG: (runpod.ORIGIN, runpod.headers, _plain(runpod.RunPodInstances)),
    scaleway.SLUG: (scaleway.ORIGIN, scaleway.headers, _of_project),
    shadeform.SLUG: (shadeform.ORIGIN, shadeform.headers, _plain(shadeform.ShadeformInstances)),
    tensordock.SLUG: (tensordock.ORIGIN, tensordock.headers, _plain(tensordock.TensorDockInstances)),
    vastai.SLUG: (vastai.ORIGIN, vastai.headers, _plain(vastai.VastInstances)),
    verda.SLUG: (verda.ORIGIN, verda.headers, verda.VerdaInstances),
    vultr.SLUG: (vultr.ORIGIN, vultr.headers, _plain(vultr.VultrInstances)),
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
    origin, headers, made = _KINDS[slug]
    local = os.environ.get("PROVIDERS_URL", "") if providers_url is None else providers_url
    base_url = f"{local.rstrip('/')}/{slug}" if local else origin
    return made(Exchange(slug, base_url, headers(key), _client(bool(local)), deadline=deadline), key)


@functools.cache
def _client(local: bool) -> httpx.Client:
    """One pool of connections for the life of a warm Lambda. Local calls never take the environment's proxy."""
    return httpx.Client(
        timeout=httpx.Timeout(DEADLINE, connect=5.0),
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=60),
        headers={"user-agent": "gpubroker/2"},
        trust_env=not local,
    )
