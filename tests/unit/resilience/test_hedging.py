"""A read that takes unusually long is made twice, within a budget, and nothing is left running."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.hedging import LEAST_S, Budget, Hedge
from gpubroker.resilience.places import Places

TICK = 0.01


class Calls:
    """What each call does, in their order: a result after so many seconds, or an error."""

    def __init__(self, *told: tuple[float, str | Exception]) -> None:
        self.told, self.made, self.ended = list(told), 0, 0

    async def __call__(self) -> str:
        seconds, result = self.told[self.made]
        self.made += 1
        try:
            await asyncio.sleep(seconds)
            if isinstance(result, Exception):
                raise result
            return result
        finally:
            self.ended += 1


def rich() -> Budget:
    return Budget(calls=1000)


def read(calls: Callable[[], Awaitable[str]], hedge: Hedge) -> str:
    return asyncio.run(asyncio.wait_for(hedge.read(calls), 5))


def test_a_quick_answer_is_asked_for_once():
    calls, hedge = Calls((0, "quick")), Hedge(TICK, rich())
    assert read(calls, hedge) == "quick"
    assert (calls.made, hedge.made) == (1, 0)


def test_when_the_first_hangs_the_second_answers_and_the_first_is_cancelled():
    calls, hedge = Calls((60, "never"), (0, "second")), Hedge(TICK, rich())
    assert read(calls, hedge) == "second"
    assert (calls.made, calls.ended, hedge.made) == (2, 2, 1)


def test_the_first_may_still_win():
    calls = Calls((3 * TICK, "first"), (60, "never"))
    assert read(calls, Hedge(TICK, rich())) == "first"
    assert calls.ended == 2


def test_the_error_of_one_waits_for_the_other():
    calls = Calls((2 * TICK, TimeoutError("first")), (4 * TICK, "good"))
    assert read(calls, Hedge(TICK, rich())) == "good"


def test_when_both_fail_the_first_ones_error_is_told():
    calls = Calls((3 * TICK, ValueError("first")), (0, KeyError("second")))
    with pytest.raises(ValueError, match="first"):
        read(calls, Hedge(TICK, rich()))


def test_an_error_that_comes_in_time_is_not_asked_for_again():
    calls = Calls((0, ValueError("no")))
    with pytest.raises(ValueError):
        read(calls, Hedge(TICK, rich()))
    assert calls.made == 1


def test_who_is_cancelled_leaves_nothing_running():
    calls = Calls((60, "never"), (60, "never"))

    async def cancelled() -> None:
        async with asyncio.timeout(5 * TICK):
            await Hedge(TICK, rich()).read(calls)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert (calls.made, calls.ended) == (2, 2)


def test_without_budget_there_is_no_second_call():
    calls = Calls((3 * TICK, "slow"))
    assert read(calls, Hedge(TICK, Budget())) == "slow"
    assert calls.made == 1


def test_nothing_is_hedged_of_which_nothing_is_known_and_nothing_under_half_a_second():
    assert Hedge.of(None, Budget()).after_s is None
    assert Hedge.of(0.05, Budget()).after_s == LEAST_S == 0.5
    assert Hedge.of(0.4, Budget()).after_s == pytest.approx(1.2)


@given(st.lists(st.booleans(), max_size=300))
def test_never_more_than_a_tenth_of_all_calls_are_extra(wants):
    budget = Budget()
    for want in wants:
        budget.called()
        if want:
            budget.spend()
        assert budget.extra <= budget.calls / 10


# ------------------------------------------------------------------ places


def test_the_pool_is_bounded_and_served_in_order():
    async def run() -> tuple[int, list[int]]:
        places, running, most, begun = Places(2, 60), 0, 0, []

        async def one(number: int) -> None:
            nonlocal running, most
            async with places.one():
                begun.append(number)
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1

        await asyncio.gather(*map(one, range(6)))
        return most, begun

    assert asyncio.run(run()) == (2, [0, 1, 2, 3, 4, 5])


def test_those_that_hang_give_their_places_on():
    async def run() -> list[str]:
        places, ended = Places(2, TICK), []
        hanging = asyncio.Event()

        async def hangs() -> None:
            async with places.one():
                await hanging.wait()
            ended.append("hanging")

        async def quick() -> None:
            async with places.one():
                ended.append("quick")

        tasks = [asyncio.create_task(call()) for call in (hangs, hangs, quick, quick)]
        await asyncio.gather(*tasks[2:])
        hanging.set()
        await asyncio.gather(*tasks)
        return ended

    assert asyncio.run(run()) == ["quick", "quick", "hanging", "hanging"]


def test_a_place_that_was_given_on_is_not_given_twice():
    async def run() -> int:
        places, running, most = Places(1, TICK), 0, 0

        async def slow() -> None:
            async with places.one():
                await asyncio.sleep(3 * TICK)

        await slow()

        async def one() -> None:
            nonlocal running, most
            async with places.one():
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1

        await asyncio.gather(*(one() for _ in range(4)))
        return most

    assert asyncio.run(run()) == 1
