"""Thirty providers side by side, some of which hang: nobody healthy waits for them, in time that passes by itself."""

import asyncio
import heapq
import logging
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest

from gpubroker.kernel import deadline
from gpubroker.offers import asking
from gpubroker.offers.providers import registry
from gpubroker.offers.wire import Offers
from gpubroker.resilience.hedging import Budget

NOW = datetime(2026, 5, 24, tzinfo=UTC)
HANGS = float("inf")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nobody has anything to do."""

    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


@pytest.fixture
def market(monkeypatch):
    """Providers that answer after so many seconds; `ask` says what came of it, and how long all took."""

    def ask(seconds, order=None, **more):
        begun = {}

        def adapter(slug):
            async def fetch_payload(client, base_url, key):
                begun[slug] = asyncio.get_running_loop().time()
                await (asyncio.Event().wait() if seconds[slug] == HANGS else asyncio.sleep(seconds[slug]))
                return []

            return SimpleNamespace(
                SLUG=slug, ORIGIN="", fetch_payload=fetch_payload, normalise=lambda payload, fetched_at: Offers()
            )

        async def run():
            return await registry.fetch_all(
                None, providers_url="http://p", keys=dict.fromkeys(seconds, "key"), now=lambda: NOW,
                slugs=order or list(seconds), **more,
            )  # fmt: skip

        monkeypatch.setattr(registry, "adapter", adapter)
        with asyncio.Runner(loop_factory=Loop) as runner:
            outcomes = runner.run(run())
            return outcomes, runner.get_loop().now, begun

    return ask


def thirty(healthy_s, hanging=10):
    return {f"p{number:02}": HANGS if number < hanging else healthy_s for number in range(30)}


@pytest.mark.parametrize("healthy_s", [0.1, 0.7, 2.0, 4.0])
@pytest.mark.parametrize("order", [sorted, lambda slugs: sorted(slugs, reverse=True)], ids=["hanging first", "last"])
def test_ten_that_hang_neither_keep_the_healthy_waiting_nor_the_sync(market, healthy_s, order):
    # R1.3, R7.2 (182, 216): wall time is at most that of the slowest provider and a second
    seconds = thirty(healthy_s)
    outcomes, took, _ = market(seconds, order(seconds))
    assert {slug for slug, outcome in outcomes.items() if outcome.ok} == {s for s in seconds if seconds[s] != HANGS}
    assert {o.error for o in outcomes.values() if not o.ok} == {"ProviderUnavailable"}
    assert took <= registry.TIME_BOX + 1


def test_with_all_hanging_all_have_been_asked_and_the_end_is_the_same(market):
    outcomes, took, begun = market(thirty(1, hanging=30))
    assert len(begun) == len(outcomes) == 30
    assert took <= registry.TIME_BOX + 1


def test_without_any_trouble_nobody_waits_longer_than_for_the_slowest(market):
    assert market(thirty(0.2, hanging=0))[1] == pytest.approx(0.4)


def test_no_more_than_the_pool_are_begun_at_once_and_in_the_order_given(market):
    _, _, begun = market(thirty(0.3, hanging=0))
    assert sorted(begun, key=lambda slug: (begun[slug], slug)) == sorted(begun)
    assert sum(at == 0 for at in begun.values()) == registry.AT_ONCE


def test_the_deadline_of_the_invocation_is_the_box_of_all(market, monkeypatch):
    monkeypatch.setattr(deadline, "left", lambda: 1.5)
    outcomes, took, _ = market({"a": HANGS, "b": 0.1})
    assert (outcomes["b"].ok, outcomes["a"].error) == (True, "ProviderUnavailable")
    assert took == pytest.approx(1.5)


def test_with_no_time_left_nobody_is_asked(market, monkeypatch):
    monkeypatch.setattr(deadline, "left", lambda: 0.1)
    outcomes, _, begun = market({"a": 0})
    assert (begun, outcomes["a"].error) == ({}, "ProviderUnavailable")


# ------------------------------------------------------------------ what one adapter may raise


class Answers:
    def __init__(self, error):
        self.SLUG, self.ORIGIN, self.error = "vastai", "", error

    async def fetch_payload(self, client, base_url, key):
        return []

    def normalise(self, payload, *, fetched_at):
        raise self.error


def fetched(monkeypatch, error):
    monkeypatch.setattr(registry, "adapter", lambda slug: Answers(error))
    every = registry.fetch_all(None, providers_url="http://p", keys={}, now=lambda: NOW, slugs=["vastai"])
    return asyncio.run(every)["vastai"]


@pytest.mark.parametrize(
    "error", [KeyError("secret"), TypeError(), OverflowError(), ZeroDivisionError(), RecursionError()]
)
def test_an_answer_of_another_shape_is_one_line_without_traceback_or_content(monkeypatch, caplog, error):
    with caplog.at_level(logging.WARNING):
        outcome = fetched(monkeypatch, error)
    assert outcome.error == "UnknownAnswer"
    (line,) = caplog.records
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert line.error.startswith(f"{type(error).__name__} at test_side_by_side.py:")
    assert "secret" not in caplog.text + line.error


def test_a_bug_of_an_adapter_is_said_with_its_traceback_and_costs_nobody_else(monkeypatch, caplog):
    with caplog.at_level(logging.WARNING):
        assert fetched(monkeypatch, AssertionError("a bug")).error == "UnknownAnswer"
    assert caplog.records[0].exc_info is not None


# ------------------------------------------------------------------ hedged reads


def hedged(monkeypatch, slug, method, usual, budget):
    """Requests that a provider gets whose first call hangs, and the outcome."""
    asked = []

    class First(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            asked.append(request.method)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return httpx.Response(200, json=[])

    async def fetch_payload(client, base_url, key):
        return await asking.ask(client, slug, method, "http://provider/")

    one = SimpleNamespace(SLUG=slug, ORIGIN="", fetch_payload=fetch_payload, normalise=lambda p, fetched_at: Offers())
    monkeypatch.setattr(registry, "adapter", lambda slug: one)

    async def run():
        async with httpx.AsyncClient(transport=First()) as client:
            return await registry.fetch_all(
                client, providers_url="http://p", keys={slug: "key"}, now=lambda: NOW, slugs=[slug], usual=usual,
                budget=budget,
            )  # fmt: skip

    with asyncio.Runner(loop_factory=Loop) as runner:
        outcome = runner.run(run())[slug]
        return len(asked), outcome, runner.get_loop().now


def test_a_price_list_whose_first_request_hangs_is_had_from_the_second(monkeypatch):
    count, outcome, took = hedged(monkeypatch, "shadeform", "GET", {"shadeform": 0.4}, Budget(calls=100))
    assert (count, outcome.ok, outcome.hedges) == (2, True, 1)
    assert took == pytest.approx(1.2), "three times what it usually takes"


@pytest.mark.parametrize(
    ("slug", "method", "usual", "calls"),
    [
        ("shadeform", "POST", 0.4, 100),  # who knows what it does
        ("shadeform", "GET", None, 100),  # nothing is known of its usual time
        ("shadeform", "GET", 0.4, 5),  # no budget: at most a tenth of all calls
        ("lambdalabs", "GET", 0.4, 100),  # it counts calls
    ],
)
def test_what_is_not_hedged(monkeypatch, slug, method, usual, calls):
    count, outcome, took = hedged(monkeypatch, slug, method, usual and {slug: usual}, Budget(calls=calls))
    assert (count, outcome.error) == (1, "ProviderUnavailable")
    assert took == pytest.approx(registry.TIME_BOX)
