"""Requests per second by plan: Free 10, Pro 100, Enterprise 1000, in a sliding window (checklist 198-204, 277).

**Whose bucket.** Anonymous callers share one by address (IPv6 by its /64, which is what one customer is given). Free
and pro callers share one by tenant, so that more keys, sessions or agents are not more requests. Enterprise callers,
services and admins have one for each credential: "a dedicated bucket per API key" is what that plan sells.

**Where it is counted.** In Redis, one atomic script for each decision, by Redis' clock. Free and anonymous requests are
counted one by one, exactly. For pro and above a process may take a *lease*: permits for its next requests, to be spent
within `lease_s`, so that most warm answers ask nobody. All unspent leases of a bucket together are at most `share` of
its limit, whatever the number of processes; a permit is charged when it is leased and spent at most `lease_s` later.
Hence **any second sees at most `limit + share * limit` requests (110 %: 110 for pro, 1100 for enterprise)**, and a
second that begins with no lease out sees at most `limit`. Unspent permits go back with the next request of the process,
and a lease is only as large as the last one was used, so that callers under their limit are not refused.

**A refusal** is remembered in the process until the moment it names: a flood costs Redis nothing, and no permit could
have come free earlier (but for one that another process gives back).

**Redis away** (refused, slow, failing): each process counts alone with the full limit of the plan, Redis is tried again
after a second. So `n` processes let through at most `n` times the limit: never unlimited, and never closed.
"""

import logging
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from gpubroker.edge.redis_client import redis_client
from gpubroker.edge.shared_window import WINDOW_S, Policy, take
from gpubroker.kernel.caller import Caller, Plan
from gpubroker.resilience.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

AWAY_S = 1.0
"""How long Redis is left alone after it failed, in seconds."""
BUCKETS = 4096
"""Buckets a process remembers, the least recently used forgotten first: about 2 MB of leases and refusals."""

POLICIES = {
    Plan.FREE: Policy(10),
    Plan.PRO: Policy(100, lease_s=0.1, share=0.1, grain_us=10_000),
    Plan.ENTERPRISE: Policy(1000, lease_s=0.1, share=0.1, grain_us=10_000),
}


class Decision(NamedTuple):
    """What a limiter decided. `remaining` and the times (seconds) are hints: others spend from the same bucket."""

    allowed: bool
    limit: int
    remaining: int
    reset_after_s: float
    retry_after_s: float


class _Lease:
    """What this process knows of one bucket: permits to spend until `until`, or (none left) a refusal until then."""

    __slots__ = ("granted", "permits", "refused", "remaining", "reset_at", "slot", "until")

    def __init__(self, until: float, *, permits: int, remaining: int, reset_at: float, slot: bytes, refused: bool):
        self.until, self.permits, self.granted = until, permits, permits
        self.remaining, self.reset_at, self.slot, self.refused = remaining, reset_at, slot, refused


class Limiter:
    """Decides whether a caller may make one more request. Thread safe; one of them serves a process.

    client    gives the Redis client, or None where there is none: then every decision is local
    policies  the limits by plan
    clock     seconds that never go back
    """

    def __init__(
        self,
        client: "Callable[[], Redis | None]",
        *,
        policies: dict[Plan, Policy] = POLICIES,
        clock: Callable[[], float] = time.monotonic,
        buckets: int = BUCKETS,
    ) -> None:
        self._client = client
        self._policies = policies
        self._clock = clock
        self._buckets = buckets
        self._process = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._windows: OrderedDict[str, SlidingWindow] = OrderedDict()
        self._away_until = -math.inf
        self._away = False

    def check(self, caller: Caller, now: float | None = None) -> Decision:
        """Count one request of the caller at `now` (seconds of the limiter's clock; its present when None).

        Never raises for want of Redis. A refused request is not counted.
        """
        bucket, policy = bucket_of(caller), self._policies[caller.plan]
        at = self._clock() if now is None else now
        with self._lock:
            lease = self._leases.get(bucket)
            if lease is not None and at < lease.until:
                if lease.permits:
                    lease.permits -= 1
                    left = lease.remaining + lease.permits
                    return Decision(True, policy.limit, left, max(0.0, lease.reset_at - at), 0.0)
                if lease.refused:
                    wait = lease.until - at
                    return Decision(False, policy.limit, 0, wait, wait)
            if at >= self._away_until:
                client = self._client()
                if client is not None:
                    decision = self._shared(client, bucket, policy, lease, at)
                    if decision is not None:
                        return decision
            return self._alone(bucket, policy, at)

    def _shared(self, client: "Redis", bucket: str, policy: Policy, lease: _Lease | None, at: float) -> Decision | None:
        """The decision of Redis, or None when it did not give one."""
        from redis import RedisError

        unspent, slot = 0, b""
        if lease is not None and not lease.refused:
            unspent, slot = lease.permits, lease.slot
            lease.permits = 0  # given back by this call; should its answer be lost, charged and unspent, never spent
        wish = _wish(policy, lease, unspent, at)
        try:
            granted = take(client, bucket, policy, process=self._process, wish=wish, slot=slot, unspent=unspent)
        except (RedisError, OSError) as error:
            if not self._away:
                logger.warning("rate limits are counted by each process alone: Redis failed with %r", error)
            self._away, self._away_until = True, at + AWAY_S
            return None
        if self._away:
            logger.warning("rate limits are counted together again: Redis answers")
            self._away = False
        # All waits are counted from before the script ran, so they end here no later than they do there.
        until, permits = at + granted.wait_s, granted.permits
        if not permits:
            self._remember(bucket, _Lease(until, permits=0, remaining=0, reset_at=0, slot=b"", refused=True))
            return Decision(False, policy.limit, 0, granted.wait_s, granted.wait_s)
        if policy.lease_s:
            kept = _Lease(
                at + policy.lease_s,
                permits=permits - 1,
                remaining=granted.remaining,
                reset_at=until,
                slot=granted.slot,
                refused=False,
            )
            self._remember(bucket, kept)
        return Decision(True, policy.limit, granted.remaining + permits - 1, granted.wait_s, 0.0)

    def _remember(self, bucket: str, lease: _Lease) -> None:
        self._leases[bucket] = lease
        self._leases.move_to_end(bucket)
        if len(self._leases) > self._buckets:
            self._leases.popitem(last=False)

    def _alone(self, bucket: str, policy: Policy, at: float) -> Decision:
        window = self._windows.get(bucket)
        if window is None:
            window = self._windows[bucket] = SlidingWindow(policy.limit, window_s=WINDOW_S, grain_us=policy.grain_us)
            if len(self._windows) > self._buckets:
                self._windows.popitem(last=False)
        self._windows.move_to_end(bucket)
        taken = window.take(at)
        return Decision(taken.allowed, policy.limit, taken.remaining, taken.reset_after_s, taken.retry_after_s)


def _wish(policy: Policy, last: _Lease | None, unspent: int, at: float) -> int:
    """How many permits to lease beyond the one that is needed now, by how many of the last lease were spent."""
    if last is None or last.refused or at >= last.until + policy.lease_s:
        return 0
    spent = last.granted - unspent
    return 2 * spent + 1 if at < last.until else spent  # it did not last, or it was enough


@cache
def limiter() -> Limiter:
    """The limiter of this process."""
    return Limiter(redis_client)


def bucket_of(caller: Caller) -> str:
    """Whose requests are counted together with this caller's: `k:` a credential, `t:` a tenant, `a:` an address."""
    if caller.plan is Plan.ENTERPRISE and caller.credential:
        return f"k:{caller.credential}"
    owner = caller.tenant or caller.subject
    return f"t:{owner}" if owner else f"a:{_network(caller.address)}"


def _network(address: str) -> str:
    """An IPv4 address as it is, an IPv6 address as its /64; IPv4 in IPv6 is IPv4. Anything else shares one bucket."""
    if ":" not in address:
        return address
    from ipaddress import ip_address  # 3 ms that only an IPv6 caller needs

    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()


def policy_field(*policies: tuple[str, int, int]) -> str:
    """`RateLimit-Policy` for (name, quota, window in seconds) (draft-ietf-httpapi-ratelimit-headers, 0669b82c)."""
    return ",".join(f'"{name}";q={quota};w={window}' for name, quota, window in policies)


def limit_field(name: str, remaining: int, reset_after_s: float) -> str:
    """`RateLimit`: what is left of one policy, and in how many whole seconds there will be more."""
    return f'"{name}";r={remaining};t={math.ceil(reset_after_s)}'


_POLICY_FIELDS = {policy.limit: policy_field(("default", policy.limit, WINDOW_S)) for policy in POLICIES.values()}


def headers(decision: Decision) -> dict[str, str]:
    """The response headers of a decision: `ratelimit-policy`, `ratelimit`, and `retry-after` when it refused (199)."""
    limit = decision.limit
    fields = {
        "ratelimit-policy": _POLICY_FIELDS.get(limit) or policy_field(("default", limit, WINDOW_S)),
        "ratelimit": limit_field("default", decision.remaining, decision.reset_after_s),
    }
    if not decision.allowed:
        fields["retry-after"] = str(max(1, math.ceil(decision.retry_after_s)))
    return fields
