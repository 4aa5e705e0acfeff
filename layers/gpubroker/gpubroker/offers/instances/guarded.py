"""Instance calls within a provider's limits and behind its circuit, both shared by all Lambdas.

What counts as a failure of the provider: no answer (ProviderUnavailable), and to calls whose content is ours alone
(find, get, list) an answer that cannot be read (UnknownAnswer). Not to a create: an order that a provider refuses in
unknown words may be the caller's fault, and one caller must not close a provider to all. RateLimited is no failure: the
provider works and says when, the limits are what answers it, and the account may be one caller's own. NoCapacity,
BadCredentials, QuotaExceeded and InstanceGone are answers.

Refusals of ours keep to the closed set that the workflows know: an open circuit is ProviderUnavailable, no slot in time
is RateLimited (nothing was sent, come back later).

`end` is always tried: an instance that is not ended costs money whatever we think of its provider. It waits for a slot
like the others, and goes without one when none is free.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from gpubroker.kernel import deadline
from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import DEADLINE, LEAST_WRITE_S
from gpubroker.offers.instances.port import Instance, InstanceApi, InstanceOrder
from gpubroker.offers.limits import limits_of
from gpubroker.resilience.breaker_store import BreakerStore, CircuitOpen
from gpubroker.resilience.bulkhead import Bulkhead, Busy, Limit

log = logging.getLogger(__name__)
T = TypeVar("T")

WAIT_S = 5.0
"""How long a call waits for a slot at most."""
WAITERS = 20
LEASE_S = 3 * DEADLINE
"""Some calls are several exchanges (a key is made before the machine)."""
_NO_ANSWER = (errors.ProviderUnavailable,)
_NO_SENSE = (errors.ProviderUnavailable, errors.UnknownAnswer)


class NoSlot(Exception):
    """Nothing was sent."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("as many calls as may be")
        self.retry_after = retry_after


class GuardedInstances:
    """`InstanceApi` of one account, around the adapter's."""

    def __init__(self, slug: str, api: InstanceApi, breakers: BreakerStore, slots: Bulkhead) -> None:
        self._slug, self._api, self._breakers, self._slots = slug, api, breakers, slots

    def create(self, order: InstanceOrder) -> Instance:
        with self._limited("create", limits_of(self._slug).creates):
            return self._through(lambda: self._api.create(order), _NO_ANSWER)

    def find(self, label: str) -> list[Instance]:
        return self._read(lambda: self._api.find(label))

    def get(self, instance_id: str) -> Instance | None:
        return self._read(lambda: self._api.get(instance_id))

    def list(self) -> "list[Instance]":
        return self._read(self._api.list)

    def end(self, instance_id: str) -> None:
        try:
            with self._slot("calls", limits_of(self._slug).others):
                return self._api.end(instance_id)
        except NoSlot:
            log.warning("an end goes without a slot", extra={"provider": self._slug})
        return self._api.end(instance_id)

    def _read(self, call: Callable[[], T]) -> T:
        with self._limited("calls", limits_of(self._slug).others):
            return self._through(call, _NO_SENSE)

    def _through(self, call: Callable[[], T], failures: tuple[type[Exception], ...]) -> T:
        try:
            return self._breakers.call(f"instances:{self._slug}", call, failures=failures)
        except CircuitOpen as error:
            raise errors.ProviderUnavailable(
                self._slug, "not asked: its circuit is open", retry_after=error.retry_after
            ) from error

    @contextmanager
    def _limited(self, kind: str, limit: Limit) -> Iterator[None]:
        try:
            with self._slot(kind, limit):
                if deadline.left() < LEAST_WRITE_S:  # ours, and not for its circuit to count
                    raise NoSlot(1.0)
                yield
        except NoSlot as error:
            raise errors.RateLimited(
                self._slug, "not asked: as many calls as may be are under way", retry_after=error.retry_after
            ) from error

    @contextmanager
    def _slot(self, kind: str, limit: Limit) -> Iterator[None]:
        wait_s = max(0.0, min(WAIT_S, deadline.left() - LEAST_WRITE_S))
        try:
            held = ExitStack()
            held.enter_context(
                self._slots.slot(f"{self._slug}:{kind}", limit, lease_s=LEASE_S, wait_s=wait_s, waiters=WAITERS)
            )
        except Busy as error:
            raise NoSlot(error.retry_after) from error
        with held:
            yield
