"""What each provider allows: how many calls at once, and how soon after each other. Data; `documented` says whose.

Where a provider publishes nothing, ours is the default: enough for any day we have seen, and little enough that one
busy user of ours cannot make a provider angry with all of them. Limits are per provider and account, so they do not
count what the price list asks: it asks once in 20 s.
"""

from dataclasses import dataclass

from gpubroker.resilience.bulkhead import Limit


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """creates: of instances; others: every other call (find, get, end, list); documented: by the provider itself."""

    creates: Limit
    others: Limit
    documented: bool = False


DEFAULT = ProviderLimits(Limit(at_once=4), Limit(at_once=8))

LIMITS: dict[str, ProviderLimits] = {
    # OpenAPI document: one request a second, one launch in 12 s.
    "lambdalabs": ProviderLimits(Limit(at_once=1, every_s=12.0), Limit(at_once=4, every_s=1.0), documented=True),
    # Docs, "Rate limits and errors": a smallest interval per endpoint; its own CLI waits 0.15 s.
    "vastai": ProviderLimits(Limit(at_once=4, every_s=0.15), Limit(at_once=8, every_s=0.15), documented=True),
    # Documented: 250 a minute.
    "digitalocean": ProviderLimits(Limit(at_once=2, every_s=0.25), Limit(at_once=4, every_s=0.25), documented=True),
    # Documented: 30 a second for each address; its own client keeps to two.
    "vultr": ProviderLimits(Limit(at_once=2, every_s=0.5), Limit(at_once=4, every_s=0.5), documented=True),
    # Not published; its own client keeps to two a second.
    "tensordock": ProviderLimits(Limit(at_once=2, every_s=0.5), Limit(at_once=4, every_s=0.5), documented=True),
}

VERIFYING = Limit(at_once=2)
"""Looks at a key that a user brings, for each provider."""

NOT_HEDGED = frozenset({slug for slug, limits in LIMITS.items() if limits.documented} | {"azure"})
"""Price lists that are never asked a second time because the first answer is slow: their owners count calls (Azure
answers 429 for a while)."""


def limits_of(slug: str) -> ProviderLimits:
    return LIMITS.get(slug, DEFAULT)
