"""Which attestations a provider publishes: a dated static table, a source like any other (DESIGN §7).

A tag says that the provider claims it for its platform, no more; a buyer who must rely on it asks for the report.
Tags that a provider's own answer states ("verified", "secure-cloud") are added by its adapter.
"""

from collections.abc import Iterable
from functools import lru_cache

AS_OF = "2026-07-11"

SOURCES = {
    "azure": "https://www.microsoft.com/en-us/trust-center/compliance/compliance-overview",
    "lambdalabs": "https://trust.lambda.ai/",
    "runpod": "https://trust.runpod.io/",
}

# RunPod's attestations are about its own data centres, so they are given to its secure cloud only.
_ATTESTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("azure", ""): ("fedramp", "hipaa", "iso27001", "pci-dss", "soc2"),
    ("lambdalabs", ""): ("iso27001", "soc2"),
    ("runpod", "secure-cloud"): ("gdpr", "hipaa", "soc2"),
}


def tags(provider: str, stated: Iterable[str] = ()) -> tuple[str, ...]:
    """Sorted: what the answer stated, and what the table says of this provider (and of its stated tier)."""
    return _tags(provider, tuple(stated))


@lru_cache(maxsize=4096)
def _tags(provider: str, stated: tuple[str, ...]) -> tuple[str, ...]:
    found = set(stated)
    for tier in ("", *stated):
        found.update(_ATTESTED.get((provider, tier), ()))
    return tuple(sorted(found))
