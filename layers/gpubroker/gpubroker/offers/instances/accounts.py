"""Asking a provider with the right key: the platform's, or a tenant's own (DESIGN §7 "Whose key").

A key that is refused is read again and, where it has changed, tried once more: whoever rotates a key loses no call,
although warm functions remember the old one. BadCredentials says that nothing was done, so this holds for a create too.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from gpubroker.offers import errors
from gpubroker.offers.credentials import CredentialsUnavailable, caller_keys, platform_keys
from gpubroker.offers.instances import registry
from gpubroker.offers.instances.port import InstanceApi

T = TypeVar("T")


def asked(slug: str, tenant: str | None, ask: Callable[[InstanceApi], T]) -> T:
    """What `ask` gives on the instances of one account: the tenant's own at this provider, the platform's for None.

    Raises what `ask` raises; BadCredentials when there is no key, ProviderUnavailable while none can be read,
    LookupError for a provider that we cannot rent at.
    """
    key = _key(slug, tenant)
    try:
        return ask(_account(slug, key))
    except errors.BadCredentials:
        _doubt(slug, tenant)
        fresh = _key(slug, tenant)
        if fresh is None or fresh == key:
            raise
    return ask(_account(slug, fresh))


def _account(slug: str, key: Any) -> InstanceApi:
    """No key is no account: a tenant without one never ends up in the platform's."""
    if not key:
        raise errors.BadCredentials(slug, "no key")
    return registry.instances_of(slug, key)


def _key(slug: str, tenant: str | None) -> Any:
    try:
        return platform_keys().get(slug) if tenant is None else caller_keys().get(tenant, slug)
    except CredentialsUnavailable as error:
        raise errors.ProviderUnavailable(slug, f"{_whose(tenant)} cannot be read") from error


def _doubt(slug: str, tenant: str | None) -> None:
    if tenant is None:
        platform_keys().doubt()
    else:
        caller_keys().doubt(tenant, slug)


def _whose(tenant: str | None) -> str:
    return "the platform's keys" if tenant is None else "the caller's key"
