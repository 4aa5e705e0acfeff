"""Looks at keys that users bring, within what a provider bears: for the offers context, in its own table.

    with provider_slot("vastai", 3.0):
        ...one look at the provider with the user's key

The function that uses it needs dynamodb:GetItem and UpdateItem on the keys `LIMIT#*` of the OffersTable.
"""

from contextlib import AbstractContextManager
from functools import cache

from gpubroker.offers.limits import VERIFYING
from gpubroker.offers.store import PartItem
from gpubroker.resilience.bulkhead import Bulkhead

_LEASE_S = 30.0
_WAITERS = 10


@cache
def bulkhead() -> Bulkhead:
    return Bulkhead(PartItem._get_connection)


def provider_slot(slug: str, deadline: float) -> AbstractContextManager[None]:
    """Holds one of a provider's slots during the block; waits for it at most `deadline` seconds.

    Raises Busy (503 with Retry-After) when none came free, or when too many wait already.
    """
    return bulkhead().slot(f"{slug}:verify", VERIFYING, lease_s=_LEASE_S, wait_s=deadline, waiters=_WAITERS)
