"""A platform key that is rotated costs no beat of the sync: refused, it is read again, and the provider asked again."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from gpubroker.kernel.time import Clock
from gpubroker.offers.credentials import CredentialsUnavailable, ProviderKeys
from gpubroker.offers.providers.registry import Outcome

log = logging.getLogger(__name__)


class Fetches(Protocol):
    """providers.registry.Fetcher."""

    def fetch_all(self, *, keys: Mapping[str, Any], now: Clock, slugs: Any = None) -> dict[str, Outcome]: ...


class Renewing:
    """A fetcher that asks once more, with the key as it stands in the secret now, where one was refused."""

    def __init__(self, fetcher: Fetches, keys: ProviderKeys) -> None:
        self._fetcher, self._keys = fetcher, keys

    def fetch_all(self, *, keys: Mapping[str, Any], now: Clock, slugs: Any = None, **more: Any) -> dict[str, Outcome]:
        """See registry.Fetcher.fetch_all."""
        outcomes = self._fetcher.fetch_all(keys=keys, now=now, slugs=slugs, **more)
        refused = [slug for slug, outcome in outcomes.items() if outcome.error == "BadCredentials" and slug in keys]
        if not refused:
            return outcomes
        self._keys.doubt()
        try:
            fresh = {slug: key for slug in refused if (key := self._keys.get(slug)) and key != keys[slug]}
        except CredentialsUnavailable as error:
            log.warning("provider keys are away", extra={"error": str(error)})
            return outcomes
        if not fresh:
            return outcomes
        return outcomes | self._fetcher.fetch_all(keys=fresh, now=now, slugs=tuple(fresh), **more)
