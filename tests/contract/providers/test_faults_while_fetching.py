"""What can go wrong at a provider while its prices are fetched: a closed set of errors, in bounded time and memory, and
nobody else's matter. Every fault at every provider, all of them at once.

A provider sells little here, so that a fault costs a second for all; how much they really sell is in
test_prices_against_the_simulation.py.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gpubroker.offers.providers import registry
from gpubroker.offers.providers.registry import PROVIDERS, Fetcher, Outcome
from infra.local.providers.keys import local_keys

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)
SHORT = 0.6
"""Seconds: a box that every provider that does not answer at all is cut off by."""
LONG = 60.0
FEW = 48

# fault, what the control API is told beside it, the outcome, the box
FAULTS: tuple[tuple[str, dict[str, Any], str, float], ...] = (
    ("hang", {}, "ProviderUnavailable", SHORT),
    ("latency", {"seconds": 30}, "ProviderUnavailable", SHORT),
    ("slow_drip", {"seconds": 0.05}, "ProviderUnavailable", SHORT),
    ("reset", {}, "ProviderUnavailable", LONG),
    ("cut", {}, "ProviderUnavailable", LONG),
    ("status", {"status": 500}, "ProviderUnavailable", LONG),
    ("status", {"status": 503}, "ProviderUnavailable", LONG),
    ("html", {}, "ProviderUnavailable", LONG),
    ("rate_limit", {}, "RateLimited", LONG),
    ("rate_limit", {"retry_after": 7}, "RateLimited", LONG),
    ("unauthorized", {}, "BadCredentials", LONG),
    ("status", {"status": 403}, "BadCredentials", LONG),
    ("status", {"status": 404}, "UnknownAnswer", LONG),
    ("page", {}, "UnknownAnswer", LONG),
    ("malformed", {}, "UnknownAnswer", LONG),
    ("truncated", {}, "UnknownAnswer", LONG),
)

UNDOUBLED = frozenset({"gcp", "lambdalabs", "scaleway"})
"""Their rows stand under their names in an object, where none can be twice, or are the prices of parts (GCP)."""

SEVERAL_LISTS = frozenset({"hyperstack", "verda"})
"""Doubled lists that are joined: how many offers come twice is the product."""


@pytest.fixture(scope="module")
def fetcher(_simulation: Any) -> Iterator[Fetcher]:
    """Patient where the box is long: on a busy machine an answer may take longer than a client would wait."""
    client = registry.new_client(local=True)
    client.timeout = httpx.Timeout(LONG)
    fetcher = Fetcher(_simulation.url)
    fetcher._client = client
    yield fetcher
    fetcher.close()


@pytest.fixture
def few(simulation: Any) -> Any:
    """The simulation with at most FEW shapes of each provider, from all over what it sells."""
    for shapes in simulation.app.state.world.shapes.values():
        keys = list(shapes)
        for key in set(keys) - set(keys[:: -(-len(keys) // FEW)]):
            del shapes[key]
    return simulation


def outcomes_of(fetcher: Fetcher, *slugs: str, box: float = LONG) -> dict[str, Outcome]:
    return fetcher.fetch_all(keys=local_keys(), now=lambda: NOW, slugs=slugs or None, time_box=box)


@pytest.mark.parametrize(("kind", "told", "error", "box"), FAULTS, ids=lambda value: str(value))
def test_every_fault_at_every_provider_is_one_of_the_known_errors_and_gone_with_the_fault(
    few: Any, fetcher: Fetcher, kind: str, told: dict[str, Any], error: str, box: float
) -> None:
    few.fault(kind, "*", "list", **told)
    outcomes = outcomes_of(fetcher, box=box)
    assert {slug: (one.error, one.offers) for slug, one in outcomes.items()} == dict.fromkeys(PROVIDERS, (error, None))
    if box == SHORT:
        assert {slug: one.detail for slug, one in outcomes.items()} == dict.fromkeys(
            PROVIDERS, f"no complete answer in {SHORT:g} s"
        )
    # every provider's 429 is read for its Retry-After, and none is made up
    assert {slug: one.retry_after for slug, one in outcomes.items()} == dict.fromkeys(
        PROVIDERS, told.get("retry_after")
    )
    few.control("DELETE", "faults")
    after = outcomes_of(fetcher)  # and the connections are none the worse
    assert {slug: one.error for slug, one in after.items()} == dict.fromkeys(PROVIDERS)
    assert all(one.offers for one in after.values())


def test_a_body_of_fifty_megabytes_is_refused_before_it_is_read_whole(few: Any, fetcher: Fetcher) -> None:
    few.fault("huge", "*", "list", megabytes=50)
    for slug in PROVIDERS:  # one after the other: what is bounded is each one's memory
        got = outcomes_of(fetcher, slug)[slug]
        assert got.error == "UnknownAnswer", slug
        assert "bytes" in got.detail, slug


def test_an_empty_list_is_no_error(few: Any, fetcher: Fetcher) -> None:
    few.fault("empty", "*", "list")
    outcomes = outcomes_of(fetcher)
    assert {slug: (one.error, one.offers) for slug, one in outcomes.items()} == dict.fromkeys(PROVIDERS, (None, []))


def test_rows_that_come_twice_are_one_offer(few: Any, fetcher: Fetcher) -> None:
    once = outcomes_of(fetcher)
    few.fault("duplicates", "*", "list")
    twice = outcomes_of(fetcher)
    for slug in PROVIDERS:
        before, after = once[slug].offers, twice[slug].offers
        assert before, slug
        assert after is not None, slug
        assert [one.offer_id for one in after] == [one.offer_id for one in before], slug
        counted = twice[slug].skipped.get("duplicate", 0)
        if slug in SEVERAL_LISTS:
            assert counted >= len(before), slug
        else:
            assert counted == (0 if slug in UNDOUBLED else len(before)), slug


def test_negative_nan_and_huge_prices_cost_their_rows_only(few: Any, fetcher: Fetcher) -> None:
    # 1 in 4 each: -1.5, NaN, 10^12, 0
    good = outcomes_of(fetcher)
    few.fault("absurd_prices", "*", "list")
    outcomes = outcomes_of(fetcher)
    assert {slug: one.error for slug, one in outcomes.items()} == dict.fromkeys(PROVIDERS)
    for slug, outcome in outcomes.items():
        priced = [one for one in good[slug].offers or () if one.price_micros_per_gpu_hour is not None]
        assert bool(outcome.skipped) == bool(priced), slug
        told = [one.price_micros_per_gpu_hour for one in outcome.offers or ()]
        assert not [price for price in told if price is not None and not 0 < price <= 1_000_000_000], slug


def test_half_failing_and_half_hanging_cost_the_others_nothing(few: Any, fetcher: Fetcher) -> None:
    # DESIGN: what one provider does is its own; here two thirds of all do something, each another thing
    bad = [slug for index, slug in enumerate(sorted(PROVIDERS)) if index % 3]
    kinds = ("hang", "malformed", "status", "cut", "reset", "page")
    for index, slug in enumerate(bad):
        few.fault(kinds[index % len(kinds)], slug, "list")
    outcomes = outcomes_of(fetcher, box=3)
    assert sorted(slug for slug, one in outcomes.items() if not one.ok) == bad
    assert all(one.offers for slug, one in outcomes.items() if slug not in bad)


def test_nobody_listening_is_unavailable() -> None:
    fetcher = Fetcher("http://127.0.0.1:9")
    outcomes = outcomes_of(fetcher, box=3)
    fetcher.close()
    assert {slug: one.error for slug, one in outcomes.items()} == dict.fromkeys(PROVIDERS, "ProviderUnavailable")


def test_a_provider_without_a_key_is_not_asked_and_the_others_are(few: Any, fetcher: Fetcher) -> None:
    outcomes = fetcher.fetch_all(keys={}, now=lambda: NOW, time_box=LONG)
    assert {slug for slug, one in outcomes.items() if one.ok} == registry.KEYLESS
    assert {one.error for one in outcomes.values() if not one.ok} <= {"BadCredentials"}


def test_a_token_that_is_refused_is_bad_credentials(few: Any, fetcher: Fetcher) -> None:
    few.fault("unauthorized", "verda", "token")
    assert outcomes_of(fetcher, "verda")["verda"].error == "BadCredentials"


def test_the_duration_is_told(few: Any, fetcher: Fetcher) -> None:
    # R5.2 (206): weight goes by how long a provider took
    few.fault("latency", "lambdalabs", "list", seconds=0.3)
    begun = time.perf_counter()
    told = outcomes_of(fetcher, "lambdalabs")["lambdalabs"].duration
    assert 0.3 <= told <= time.perf_counter() - begun
