"""How often a stream may be asked: by plan like everything, but in a bucket of its own.

A browser comes back to a stream by itself every few seconds, and must not use up what its owner may ask otherwise.
"""

from dataclasses import replace

from gpubroker.edge import rate_limits
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import TooManyRequests


def hold(caller: Caller) -> None:
    """Count one call of a stream. Raises TooManyRequests."""
    owner = caller.tenant or caller.subject
    apart = replace(caller, tenant=f"stream/{owner}", credential=f"stream/{caller.credential or owner}")
    decision = rate_limits.limiter().check(apart)
    if not decision.allowed:
        raise TooManyRequests(
            f"The plan {caller.plan} allows {decision.limit} calls of streams a second.",
            retry_after=decision.retry_after_s,
        )
