"""What can go wrong at one provider while its prices are fetched: a closed set of errors, in bounded time and memory,
and nobody else's matter. Every fault at every provider.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.offers.providers.registry import PROVIDERS, Fetcher, Outcome
from infra.local.providers.keys import local_keys

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)
BOX = 0.6

# fault, what the control API is told beside it, the outcome
FAULTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("hang", {}, "ProviderUnavailable"),
    ("latency", {"seconds": 3}, "ProviderUnavailable"),
    ("cut", {}, "ProviderUnavailable"),
    ("status", {"status": 500}, "ProviderUnavailable"),
    ("status", {"status": 503}, "ProviderUnavailable"),
    ("html", {}, "ProviderUnavailable"),
    ("rate_limit", {}, "RateLimited"),
    ("unauthorized", {}, "BadCredentials"),
    ("status", {"status": 403}, "BadCredentials"),
    ("status", {"status": 404}, "UnknownAnswer"),
    ("page", {}, "UnknownAnswer"),
    ("malformed", {}, "UnknownAnswer"),
    ("truncated", {}, "UnknownAnswer"),
    ("slow_drip", {"seconds": 0.05}, "ProviderUnavailable"),
)


@pytest.fixture(scope="module")
def fetcher(_simulation: Any) -> Iterator[Fetcher]:
    fetcher = Fetcher(_simulation.url)
    yield fetcher
    fetcher.close()


def outcome(fetcher: Fetcher, slug: str, box: float = BOX) -> Outcome:
    return fetcher.fetch_all(keys=local_keys(), now=lambda: NOW, slugs=[slug], time_box=box)[slug]


@pytest.mark.parametrize("slug", PROVIDERS)
@pytest.mark.parametrize(("kind", "told", "error"), FAULTS, ids=lambda value: str(value))
def test_every_fault_is_one_of_the_known_errors_and_takes_no_longer_than_its_box(
    simulation: Any, fetcher: Fetcher, slug: str, kind: str, told: dict[str, Any], error: str
) -> None:
    simulation.fault(kind, slug, "list", **told)
    begun = time.perf_counter()
    got = outcome(fetcher, slug)
    assert (got.error, got.offers) == (error, None)
    assert time.perf_counter() - begun < BOX + 1.5
    simulation.control("DELETE", "faults")
    assert outcome(fetcher, slug, box=5).error is None  # and the connections are none the worse


@pytest.mark.parametrize("slug", ["vastai", "verda", "azure"])
def test_a_body_of_fifty_megabytes_is_refused_before_it_is_read_whole(
    simulation: Any, fetcher: Fetcher, slug: str
) -> None:
    simulation.fault("huge", slug, "list", megabytes=50)
    got = outcome(fetcher, slug, box=20)
    assert got.error == "UnknownAnswer"
    assert "bytes" in got.detail


@pytest.mark.parametrize("slug", PROVIDERS)
def test_an_empty_list_is_no_error(simulation: Any, fetcher: Fetcher, slug: str) -> None:
    simulation.fault("empty", slug, "list")
    got = outcome(fetcher, slug, box=5)
    assert (got.error, got.offers) == (None, [])


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - {"lambdalabs", "hyperstack", "verda"}))
def test_rows_that_come_twice_are_one_offer(simulation: Any, fetcher: Fetcher, slug: str) -> None:
    once = outcome(fetcher, slug, box=5)
    simulation.fault("duplicates", slug, "list")
    twice = outcome(fetcher, slug, box=5)
    assert [o.offer_id for o in twice.offers or ()] == [o.offer_id for o in once.offers or ()]
    assert twice.skipped["duplicate"] == len(once.offers or ())


@pytest.mark.parametrize("slug", PROVIDERS)
def test_negative_nan_and_huge_prices_cost_their_rows_only(simulation: Any, fetcher: Fetcher, slug: str) -> None:
    simulation.fault("absurd_prices", slug, "list")
    got = outcome(fetcher, slug, box=5)
    assert got.error is None
    assert got.skipped
    assert not [o for o in got.offers or () if not 0 < o.price_micros_per_gpu_hour <= 1_000_000_000]


def test_a_rate_limit_says_when_to_come_back(simulation: Any, fetcher: Fetcher) -> None:
    simulation.fault("rate_limit", "lambdalabs", "list", retry_after=7)
    assert outcome(fetcher, "lambdalabs").retry_after == 7.0
    simulation.control("DELETE", "faults")
    simulation.fault("rate_limit", "vastai", "list")  # plain text, no Retry-After: as documented
    assert outcome(fetcher, "vastai").retry_after is None


def test_one_hanging_and_one_failing_provider_cost_the_others_nothing(simulation: Any, fetcher: Fetcher) -> None:
    simulation.fault("hang", "lambdalabs", "list")
    simulation.fault("malformed", "shadeform", "list")
    begun = time.perf_counter()
    outcomes = fetcher.fetch_all(keys=local_keys(), now=lambda: NOW, time_box=3)
    assert time.perf_counter() - begun < 5
    failed = {slug: outcome.error for slug, outcome in outcomes.items() if not outcome.ok}
    assert failed == {"lambdalabs": "ProviderUnavailable", "shadeform": "UnknownAnswer"}
    assert all(outcome.offers for slug, outcome in outcomes.items() if slug not in failed)


def test_nobody_listening_is_unavailable() -> None:
    fetcher = Fetcher("http://127.0.0.1:9")
    outcomes = fetcher.fetch_all(keys=local_keys(), now=lambda: NOW, time_box=3)
    fetcher.close()
    assert {outcome.error for outcome in outcomes.values()} == {"ProviderUnavailable"}


def test_a_token_that_is_refused_is_bad_credentials(simulation: Any, fetcher: Fetcher) -> None:
    simulation.fault("unauthorized", "verda", "token")
    assert outcome(fetcher, "verda").error == "BadCredentials"


def test_the_duration_is_told(simulation: Any, fetcher: Fetcher) -> None:
    # R5.2 (206): weight goes by how long a provider took
    simulation.fault("latency", "lambdalabs", "list", seconds=0.3)
    assert 0.3 <= outcome(fetcher, "lambdalabs", box=3).duration < 1.5


def test_a_list_whose_first_call_hangs_is_had_from_the_second(simulation: Any) -> None:
    """Hedged reads: only within the budget, so this fetcher has made other calls before."""
    fetcher = Fetcher(simulation.url)
    asked: dict[str, Any] = {"keys": local_keys(), "now": lambda: NOW, "slugs": ["shadeform"], "time_box": 5}
    for _ in range(10):
        usual = fetcher.fetch_all(**asked)["shadeform"].duration
    simulation.fault("hang", "shadeform", "list", count=1)
    got = fetcher.fetch_all(usual={"shadeform": usual}, **asked)["shadeform"]
    fetcher.close()
    assert (got.error, got.hedges) == (None, 1)
    assert got.offers
    assert simulation.control("GET", "calls")["shadeform"]["list"] == 12
