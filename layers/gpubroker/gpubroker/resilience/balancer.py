"""Weighted round robin by health: who is slow is served less often, who fails is passed over (R5.1, R5.2).

Smooth weighted round robin as in nginx ("Upstream: smooth weighted round-robin balancing", commit 52327e0): of the
weights {a: 5, b: 1, c: 1} come a a b a c a a, not a a a a a b c. Pure: no clock, no store; a `Turn` holds no more than
whose turn it is, so a process that starts anew is no worse off than one that just served everybody.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

SLOW_S = 2.0
"""A response over so many seconds halves a weight (DESIGN §4)."""
FULL = 1.0
FLOOR = 0.1


def weight_after(weight: float, seconds: float, *, answered: bool) -> float:
    """The weight after a response of so many seconds, good or bad.

    A slow one halves it, down to the floor; a good one in time doubles it, up to 1. A quick failure says nothing of
    speed: that is what the health is for.
    """
    if seconds > SLOW_S:
        return max(FLOOR, weight / 2)
    return min(FULL, weight * 2) if answered else weight


class Turn(Generic[Name]):
    """Whose turn it is among names with weights. Not for several threads at once."""

    def __init__(self) -> None:
        self._credit: dict[Name, float] = {}

    def next(self, weights: Mapping[Name, float], unhealthy: Collection[Name] = ()) -> Name | None:
        """The next to be served; None when all are unhealthy or there is nobody.

        A name that was unhealthy, or is new, starts without credit: it is not paid for the rounds it missed. Weights
        that are not positive count as unhealthy.
        """
        able = {name: weight for name, weight in weights.items() if weight > 0 and name not in unhealthy}
        self._credit = {name: self._credit.get(name, 0.0) + weight for name, weight in able.items()}
        if not able:
            return None
        chosen = max(self._credit, key=self._credit.__getitem__)  # of several, the one that was named first
        self._credit[chosen] -= sum(able.values())
        return chosen

    def round(self, weights: Mapping[Name, float], unhealthy: Collection[Name] = ()) -> Iterator[Name]:
        """Everybody once: those that are healthy in the order of their turns, then the others, the heaviest first.

        Who begins has had his turn; the others stand where they stood, so that each round begins with somebody else.
        """
        waiting = dict(weights)
        chosen, ahead = self.next(weights, unhealthy), Turn[Name]()
        ahead._credit = dict(self._credit)
        while chosen is not None:
            del waiting[chosen]
            yield chosen
            chosen = ahead._next_of(weights, waiting, unhealthy)
        yield from sorted(waiting, key=lambda name: -waiting[name])

    def _next_of(
        self, weights: Mapping[Name, float], waiting: Mapping[Name, float], unhealthy: Collection[Name]
    ) -> Name | None:
        """The next turn of somebody who still waits in this round."""
        if all(name in unhealthy or weight <= 0 for name, weight in waiting.items()):
            return None
        while (chosen := self.next(weights, unhealthy)) not in waiting:
            pass
        return chosen
