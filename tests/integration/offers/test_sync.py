"""One beat after another: providers side by side, circuits, health, and what each beat writes (R1.3-R1.5, R3, R6.2)."""

from datetime import UTC, datetime

import httpx
import pytest

from gpubroker.offers import store, sync
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.providers import registry
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.wire import Offers
from tests.unit.offers.making import AT, an_offer, by_provider, many

EACH = 4
MARKET = by_provider(many(EACH * len(SLUGS)))
KEYS = dict.fromkeys(SLUGS, "key")
FEW = ("azure", "vastai", "verda")
"""For what takes many beats: a dozen times three providers say what a dozen times all would, in a tenth of the time."""


class Providers:
    """Answers as told: offers by default, else the error of a provider. `asked` is who was asked at each beat."""

    def __init__(self):
        self.errors = {}
        self.offers = dict(MARKET)
        self.asked = []

    def fetch_all(self, *, keys, now, slugs=None):
        self.asked.append(set(slugs))
        return {slug: self.outcome(slug, keys, now()) for slug in slugs}

    def outcome(self, slug, keys, now):
        error = self.errors.get(slug)
        if error is None and slug not in keys and slug not in registry.KEYLESS:
            error = "BadCredentials"
        if error:
            return Outcome(provider=slug, fetched_at=now, duration=0.1, error=error, detail="told so")
        return Outcome(provider=slug, fetched_at=now, duration=0.2, offers=Offers(self.offers[slug]))


@pytest.fixture
def providers(table):
    return Providers()


@pytest.fixture
def beat(providers):
    clock = [AT]

    def beat(after=20.0, keys=KEYS, slugs=SLUGS):
        clock[0] += after
        return sync.beat(providers, keys, clock=lambda: clock[0], slugs=slugs)

    return beat


def test_names_without_adapters_and_adapters_are_the_same():
    assert set(SLUGS) == set(registry.PROVIDERS)
    assert list(SLUGS) == sorted(SLUGS)


def test_a_beat_brings_every_providers_offers(beat, providers):
    summary = beat()
    assert providers.asked == [set(SLUGS)]
    states = store.states_of(SLUGS)
    assert {slug: state.offers for slug, state in states.items()} == dict.fromkeys(SLUGS, EACH)
    assert summary.metrics(AT + 20)["Offers"] == EACH * len(SLUGS)
    assert summary.metrics(AT + 20)["OldestPartAge"] == 0


def test_a_quiet_beat_is_one_read_and_a_heartbeat_each(beat, calls):
    beat()
    calls.clear()
    beat()
    assert calls == ["BatchGetItem"] + ["TransactWriteItems"] * len(SLUGS)


def test_a_failing_provider_costs_the_others_nothing(beat, providers):
    beat()
    providers.errors = {"vastai": "UnknownAnswer"}
    summary = beat()
    assert summary.states["vastai"].outcome == "failed"
    assert {state.outcome for slug, state in summary.states.items() if slug != "vastai"} == {"ok"}
    assert summary.metrics(AT + 40)["HealthyProviders"] == len(SLUGS) - 1
    assert summary.metrics(AT + 90)["OldestPartAge"] == 70
    assert summary.metrics(AT + 90)["StaleParts"] == 1


def test_six_failures_of_ten_open_the_circuit_and_the_provider_is_left_alone_for_thirty_seconds(beat, providers):
    """R3.1-R3.5 (191-195), DESIGN §4."""
    for _ in range(4):
        beat(slugs=FEW)
    providers.errors = {"vastai": "ProviderUnavailable"}
    for _ in range(6):
        beat(slugs=FEW)
        assert "vastai" in providers.asked[-1]
    assert store.states_of(["vastai"])["vastai"].circuit == "open"
    summary = beat(after=20, slugs=FEW)
    assert "vastai" not in providers.asked[-1]
    assert (summary.states["vastai"].outcome, summary.states["vastai"].offers) == ("skipped", EACH)
    providers.errors = {}
    beat(after=20, slugs=FEW)
    assert "vastai" in providers.asked[-1]
    assert store.states_of(["vastai"])["vastai"].circuit == "closed"


def test_a_failed_trial_opens_the_circuit_for_another_thirty_seconds(beat, providers):
    """197."""
    providers.errors = {"vastai": "ProviderUnavailable"}
    for _ in range(10):
        beat(slugs=FEW)
    beat(after=30, slugs=FEW)
    assert "vastai" in providers.asked[-1]
    beat(after=20, slugs=FEW)
    assert "vastai" not in providers.asked[-1]


def test_a_provider_without_a_key_is_said_to_lack_it_and_its_circuit_stays_closed(beat, providers):
    for _ in range(12):
        summary = beat(keys={}, slugs=FEW)
    assert summary.states["verda"].error == "BadCredentials"
    assert summary.states["verda"].circuit == "closed"
    assert summary.states["vastai"].outcome == "ok"


def test_with_the_vault_away_the_providers_that_need_no_key_go_on(beat, providers):
    """R9.3 (228)."""

    class Away(dict):
        def __iter__(self):
            raise CredentialsUnavailable("older than an hour")

        def keys(self):
            raise CredentialsUnavailable("older than an hour")

    summary = beat(keys=Away())
    assert {slug for slug, state in summary.states.items() if state.outcome == "ok"} == set(registry.KEYLESS)


def test_two_beats_at_once_leave_one_truth(beat, providers, monkeypatch):
    beat()
    seen = store.states_of(SLUGS)
    beat()
    monkeypatch.setattr(store, "states_of", lambda slugs: seen)
    summary = beat()
    assert sorted(summary.overtaken) == sorted(SLUGS)
    assert summary.prices_changed == 0


def test_a_part_that_cannot_be_written_is_reported_once_the_others_are_safe(beat, providers, monkeypatch):
    original = store.save_part

    def fails(before, *rest):
        if before.provider == "azure":
            raise OSError("throttled")
        return original(before, *rest)

    monkeypatch.setattr(store, "save_part", fails)
    with pytest.raises(sync.SyncIncomplete, match="azure: OSError"):
        beat()
    assert set(store.states_of(SLUGS)) == set(SLUGS) - {"azure"}


def test_a_part_beyond_its_buckets_is_said_to_be_so(beat, providers, monkeypatch):
    monkeypatch.setattr("gpubroker.offers.parts.LARGEST_BUCKET_BYTES", 10)
    summary = beat()
    assert {state.error for state in summary.states.values()} == {"PartTooLarge"}


def test_with_the_real_fetcher_a_provider_that_times_out_is_a_reason_and_no_exception(table, monkeypatch):
    """R1.5 (184)."""
    fetcher = registry.Fetcher("http://providers.test")

    async def hangs(request):
        raise httpx.ReadTimeout("too long", request=request)

    monkeypatch.setattr(
        registry, "new_client", lambda *, local: httpx.AsyncClient(transport=httpx.MockTransport(hangs))
    )
    summary = sync.beat(fetcher, KEYS, clock=lambda: datetime(2026, 5, 24, tzinfo=UTC).timestamp())
    fetcher.close()
    told = {slug: state.error for slug, state in summary.states.items()}
    objects = {"aws", "crusoe", "fluidstack", "hotaisle", "latitude", "salad", "tensordock", "verda"}
    assert told == dict.fromkeys(SLUGS, "ProviderUnavailable") | dict.fromkeys(objects, "BadCredentials"), (
        "a text is no key where a key has parts"
    )


def test_offers_of_two_fetches_with_the_same_id_are_one(beat, providers):
    """R7.3 (217)."""
    providers.offers = dict(MARKET) | {"vastai": [an_offer(1), an_offer(1), an_offer(2)]}
    assert beat().states["vastai"].offers == 2
