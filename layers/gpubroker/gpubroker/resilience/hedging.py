"""Hedged reads: a call that takes unusually long is made a second time, and the first good answer counts.

Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013: most slow answers are bad luck of one connection or one server
behind a balancer. For reads only, which may be made twice; within a budget, since a system that is slow because it is
overloaded must not be asked twice as often.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

LEAST_S = 0.5
TIMES_USUAL = 3.0


@dataclass(slots=True)
class Budget:
    """At most `share` of all calls are made a second time, at every moment."""

    share: float = 0.1
    calls: int = 0
    extra: int = 0

    def called(self) -> None:
        self.calls += 1

    def spend(self) -> bool:
        """Whether one more may be made; then it is counted."""
        if self.extra + 1 > self.share * self.calls:
            return False
        self.extra += 1
        return True


@dataclass(slots=True)
class Hedge:
    """How the calls to one system are hedged, and how often they were.

    after_s  seconds after which a call is made again; None: never
    """

    after_s: float | None
    budget: Budget = field(default_factory=Budget)
    made: int = 0

    @classmethod
    def of(cls, usual_s: float | None, budget: Budget) -> "Hedge":
        """For a system that usually takes so long; never for one of which nothing is known."""
        return cls(None if usual_s is None else max(LEAST_S, TIMES_USUAL * usual_s), budget)

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """The first good answer of one or two calls; when both fail, the error of the first one.

        The other is cancelled, and has ended when this returns; so are both when this is cancelled.
        """
        self.budget.called()
        if self.after_s is None:
            return await call()
        calls = [asyncio.ensure_future(call())]
        try:
            await asyncio.wait(calls, timeout=self.after_s)
            if not calls[0].done() and self.budget.spend():
                self.made += 1
                calls.append(asyncio.ensure_future(call()))
            return await _first_good(calls)
        finally:
            for one in calls:
                one.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def _first_good(calls: "Sequence[asyncio.Future[T]]") -> T:
    pending = set(calls)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for one in calls:
            if one in done and one.exception() is None:
                return one.result()
    return calls[0].result()
