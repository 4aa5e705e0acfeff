"""All adapters over HTTP against the simulated providers: real paths, keys, pages and wire formats."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gpubroker.offers.providers import registry
from gpubroker.offers.providers.registry import PROVIDERS, Fetcher, Outcome
from infra.local.providers.keys import local_keys

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)

PLACELESS = frozenset({"akash", "fluidstack", "paperspace", "salad", "together"})
"""Providers whose lists say nothing of places."""


@pytest.fixture
def fetcher(simulation: Any) -> Iterator[Fetcher]:
    fetcher = Fetcher(simulation.url)
    yield fetcher
    fetcher.close()


BY_SIZE = frozenset({"azure", "gcp"})
"""Simulated by names of sizes or of parts, not of GPUs."""

NO_CAPACITY_TOLD = frozenset({"aws", "koyeb", "oci", "ovhcloud", "together"})
"""Providers that list what they sell and never say whether it can be had."""


UNASKED = frozenset({"akash", "azure", "cudo", "oci", "ovhcloud"})
"""Public lists that no key is sent to."""

ONLY_SPOT = frozenset({"mithril", "salad"})
"""Providers that sell nothing else."""


def sold(simulation: Any, slug: str) -> list[dict[str, Any]]:
    shapes: list[dict[str, Any]] = simulation.control("GET", f"offers?provider={slug}")[slug]
    return shapes


def fetch(fetcher: Fetcher, *slugs: str, keys: dict[str, Any] | None = None) -> dict[str, Outcome]:
    """All of it, however long a machine with other things to do takes: the box is tested elsewhere."""
    held = local_keys() if keys is None else keys
    return fetcher.fetch_all(keys=held, now=lambda: NOW, slugs=slugs or None, time_box=60)


def test_all_providers_answer_side_by_side_with_more_than_two_thousand_offers(fetcher: Fetcher) -> None:
    # R7.2 (216): in parallel; 167: aggregates
    outcomes = fetch(fetcher)
    assert {slug: outcome.error for slug, outcome in outcomes.items()} == dict.fromkeys(PROVIDERS)
    assert sum(len(outcome.offers or ()) for outcome in outcomes.values()) >= 2_000
    assert all(outcome.offers for outcome in outcomes.values())
    assert {slug: dict(outcome.skipped) for slug, outcome in outcomes.items()} == {slug: {} for slug in PROVIDERS}


def test_no_two_offers_of_the_whole_market_share_an_id(fetcher: Fetcher) -> None:
    ids = [offer.offer_id for outcome in fetch(fetcher).values() for offer in outcome.offers or ()]
    assert len(ids) == len(set(ids))


def test_a_second_fetch_finds_the_same_offers_at_the_same_prices(fetcher: Fetcher) -> None:
    first, second = fetch(fetcher), fetch(fetcher)
    for slug in PROVIDERS:
        assert [(o.offer_id, o.price_micros_per_hour) for o in first[slug].offers or ()] == [
            (o.offer_id, o.price_micros_per_hour) for o in second[slug].offers or ()
        ]


def test_almost_every_offer_has_a_known_model_and_a_region(fetcher: Fetcher) -> None:
    offers = [offer for outcome in fetch(fetcher).values() for offer in outcome.offers or ()]
    assert {offer.gpu_model for offer in offers} > {"H100", "A100", "RTX 4090", "MI300X", "L40S"}
    placed = [offer for offer in offers if offer.provider not in PLACELESS]
    assert sum(offer.region is None for offer in placed) < 0.05 * len(placed)


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - registry.KEYLESS))
def test_without_its_key_a_provider_is_not_even_asked(fetcher: Fetcher, simulation: Any, slug: str) -> None:
    assert fetch(fetcher, slug, keys={})[slug].error == "BadCredentials"
    assert simulation.control("GET", "calls") == {}


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - UNASKED))
def test_a_wrong_key_is_bad_credentials_and_is_in_no_message(fetcher: Fetcher, slug: str) -> None:
    # R9.4 (229): keys never logged
    wrong: Any = "sesame-open-7"
    right = local_keys()[slug]
    key = dict.fromkeys(right, wrong) if isinstance(right, dict) else wrong
    outcome = fetch(fetcher, slug, keys={slug: key})[slug]
    assert outcome.error == "BadCredentials"
    assert wrong not in repr(outcome)


@pytest.mark.parametrize("slug", sorted(registry.KEYLESS))
def test_public_prices_need_no_key(fetcher: Fetcher, slug: str) -> None:
    outcome = fetch(fetcher, slug, keys={})[slug]
    assert outcome.error is None
    assert outcome.offers


def test_all_pages_are_read(fetcher: Fetcher, simulation: Any) -> None:
    outcome = fetch(fetcher, "primeintellect")["primeintellect"]
    assert len(outcome.offers or ()) > 500
    assert simulation.control("GET", "calls")["primeintellect"]["list"] > 5


def test_an_empty_first_page_of_a_lame_replica_is_asked_for_again(fetcher: Fetcher, simulation: Any) -> None:
    simulation.fault("empty", "primeintellect", count=1)
    assert len(fetch(fetcher, "primeintellect")["primeintellect"].offers or ()) > 500


def test_pages_by_link_are_read_to_the_end(fetcher: Fetcher, simulation: Any) -> None:
    offers = fetch(fetcher, "azure")["azure"].offers or []
    sold = simulation.control("GET", "offers?provider=azure")["azure"]
    assert len(offers) == 2 * len(sold)  # each size in each region: on demand and spot


def test_the_listed_filter_is_what_vastai_is_asked_for(fetcher: Fetcher, simulation: Any) -> None:
    offers = fetch(fetcher, "vastai")["vastai"].offers or []
    free = [one for one in simulation.control("GET", "offers?provider=vastai")["vastai"] if one["stock"]]
    assert 1_000 < len(offers) / 2 <= len(free)
    assert {offer.availability.value for offer in offers} == {"available"}
    assert all("verified" in offer.compliance_tags for offer in offers)
    prices = [offer.price_micros_per_hour for offer in offers if not offer.spot]
    assert prices == sorted(prices)


def kind_of(simulation: Any, slug: str) -> str:
    """A GPU that the provider sells: an H100 where it has some."""
    models = [one["gpu"] for one in sold(simulation, slug)]
    return "H100" if "H100" in models else str(models[0])


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - BY_SIZE))
def test_a_changed_price_arrives_under_the_same_id(fetcher: Fetcher, simulation: Any, slug: str) -> None:
    model, spot = kind_of(simulation, slug), slug in ONLY_SPOT
    before = {o.offer_id: o for o in fetch(fetcher, slug)[slug].offers or () if o.spot is spot}
    simulation.control("POST", "prices", provider=slug, gpu=model, factor=1.5, spot=False)
    after = {o.offer_id: o for o in fetch(fetcher, slug)[slug].offers or () if o.spot is spot}
    assert before.keys() == after.keys()
    changed = {i for i in before if before[i].price_micros_per_hour != after[i].price_micros_per_hour}
    assert changed == {i for i, o in before.items() if o.gpu_model == model and o.price_micros_per_hour is not None}


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - BY_SIZE - NO_CAPACITY_TOLD))
def test_capacity_that_is_gone_is_unavailable_or_not_listed(fetcher: Fetcher, simulation: Any, slug: str) -> None:
    simulation.control("POST", "capacity", provider=slug, stock=0)
    offers = fetch(fetcher, slug)[slug].offers or ()
    # Salad tells of high demand, and not of none left.
    assert {o.availability.value for o in offers} <= {"limited" if slug == "salad" else "unavailable"}


@pytest.mark.parametrize("slug", sorted(PROVIDERS.keys() - BY_SIZE))
def test_at_least_twenty_shapes_are_sold_and_no_gpu_of_theirs_is_lost_on_the_way(
    fetcher: Fetcher, simulation: Any, slug: str
) -> None:
    shapes = sold(simulation, slug)
    assert len(shapes) >= 20
    listed = {offer.gpu_model for offer in fetch(fetcher, slug)[slug].offers or ()}
    assert listed >= {one["gpu"] for one in shapes if one["stock"] > 0}


def test_connections_are_kept_between_beats(simulation: Any) -> None:
    # R8.4 (224): pooled, across invocations of one process
    fetcher = Fetcher(simulation.url)
    fetch(fetcher, "lambdalabs")
    client = fetcher._client
    assert client is not None
    pool = client._transport._pool  # type: ignore[attr-defined]
    first = list(pool.connections)
    fetch(fetcher, "lambdalabs")
    assert fetcher._client is client
    assert list(pool.connections) == first
    fetcher.close()


def test_without_an_override_the_real_addresses_are_used() -> None:
    assert {slug: registry.base_url_of(slug, None) for slug in ("vastai", "runpod", "lambdalabs", "azure")} == {
        "vastai": "https://console.vast.ai",
        "runpod": "https://api.runpod.io",
        "lambdalabs": "https://cloud.lambda.ai",
        "azure": "https://prices.azure.com",
    }
    assert registry.base_url_of("verda", "http://127.0.0.1:9/") == "http://127.0.0.1:9/verda"


def test_the_simulation_is_an_asgi_app_too(simulation: Any) -> None:
    async def ask() -> int:
        transport = httpx.ASGITransport(app=simulation.app)
        async with httpx.AsyncClient(transport=transport) as client:
            offers = await registry.fetch("lambdalabs", client, base_url="http://sim/lambdalabs",
                                          api_key=local_keys()["lambdalabs"], now=lambda: NOW)  # fmt: skip
        return len(offers)

    assert asyncio.run(ask()) > 50
