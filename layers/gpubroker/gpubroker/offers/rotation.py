"""A platform key that is rotated costs no beat of the sync: refused, it is read again, and the provider asked again."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpubroker.kernel.time import Clock
from gpubroker.offers.credentials import CredentialsUnavailable, ProviderKeys
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.sync import Fetches

log = logging.getLogger(__name__)


class Renewing:
    """A fetcher that asks once more, with the key as it stands in the secret now, where one was refused."""

    def __init__(self, fetcher: Fetches, keys: ProviderKeys) -> None:
        self._fetcher, self._keys = fetcher, keys

    def fetch_all(
        self, *, keys: Mapping[str, Any], now: Clock, slugs: Iterable[str], take: Callable[[Outcome], None], **more: Any
    ) -> None:
        """See registry.Fetcher.fetch_all. Each provider's outcome is given to `take` once."""
        refused: list[Outcome] = []

        def taken(outcome: Outcome) -> None:
            if outcome.error == "BadCredentials" and outcome.provider in keys:
                refused.append(outcome)
            else:
                take(outcome)

        self._fetcher.fetch_all(keys=keys, now=now, slugs=slugs, take=taken, **more)
        fresh = self._renewed(keys, refused) if refused else {}
        for outcome in refused:
            if outcome.provider not in fresh:
                take(outcome)
        if fresh:
            self._fetcher.fetch_all(keys=fresh, now=now, slugs=tuple(fresh), take=take, **more)

    def _renewed(self, keys: Mapping[str, Any], refused: list[Outcome]) -> dict[str, Any]:
        """The keys that are others now, of those that were refused."""
        self._keys.doubt()
        try:
            now = {outcome.provider: self._keys.get(outcome.provider) for outcome in refused}
        except CredentialsUnavailable as error:
            log.warning("provider keys are away", extra={"error": str(error)})
            return {}
        return {slug: key for slug, key in now.items() if key and key != keys[slug]}
