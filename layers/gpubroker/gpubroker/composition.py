"""Where contexts meet: the only module that sees several of them (DESIGN §2).

Each factory imports what it joins when it is called, so that a function loads its own context and no other.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.identity.verify import Verifier


@cache
def verifier() -> "Verifier":
    """Who a credential belongs to; the edge asks, identity knows."""
    from gpubroker.identity.verify import Verifier

    return Verifier()
