"""Who a credential belongs to, as the edge asks it."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.identity.verify import Verifier


@cache
def verifier() -> "Verifier":
    """Who a credential belongs to; the edge asks, identity knows."""
    from gpubroker.identity.verify import Verifier

    return Verifier()
