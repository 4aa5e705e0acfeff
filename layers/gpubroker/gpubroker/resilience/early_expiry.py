"""XFetch: who recomputes a cached value before it expires, so that not everyone does when it has.

Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", PVLDB 8(8), 2015.
"""

import math
import random


def due(now: float, expiry: float, delta: float, *, beta: float = 1.0, u: float | None = None) -> bool:
    """Whether this reader should recompute now: `now - delta * beta * ln(u) >= expiry`.

    now, expiry  seconds on one clock
    delta        seconds that the last recomputation took, measured and stored with the value
    beta         over 1 recomputes earlier, under 1 later
    u            uniform in (0, 1]; drawn when None

    With t seconds left, a reader recomputes with probability exp(-t / (beta * delta)); at expiry, always.
    """
    if u is None:
        u = 1.0 - random.random()  # random() may be 0, of which there is no logarithm
    return now - delta * beta * math.log(u) >= expiry
