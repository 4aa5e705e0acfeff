"""One beat after another: providers side by side, circuits, health, and what each beat writes (R1.3-R1.5, R3, R6.2)."""

from datetime import UTC, datetime

import httpx
import pytest

from gpubroker.kernel.errors import Invalid
from gpubroker.offers import store, sync
from gpubroker.offers.credentials import CredentialsUnavailable
from gpubroker.offers.providers import registry
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.slugs import SLUGS as ALL
from gpubroker.offers.wire import Offers
from gpubroker.resilience.breaker import PROVIDERS
from gpubroker.storage.transaction import StaleVersion
from tests.unit.offers.making import AT, an_offer, by_provider, many

EACH = 30
SLUGS = ("azure", "hyperstack", "lambdalabs", "primeintellect", "runpod", "shadeform", "vastai", "verda")
"""Eight of them: moto takes a second for each further part, and what is asked of one holds for all."""
MARKET = {slug: offers for slug, offers in by_provider(many(EACH * len(ALL))).items() if slug in SLUGS}
KEYS = dict.fromkeys(SLUGS, "key")


class Providers:
    """Answers as told: offers by default, else the error of a provider. `asked` is who was asked at each beat."""

    def __init__(self):
        self.errors = {}
        self.took = {}
        self.retry_after = {}
        self.skipped = {}
        self.order, self.usual = [], {}
        self.offers = dict(MARKET)
        self.asked = []

    def fetch_all(self, *, keys, now, slugs, usual, take):
        self.asked.append(set(slugs))
        self.order, self.usual = list(slugs), usual
        for slug in slugs:
            take(self.outcome(slug, keys, now()))

    def outcome(self, slug, keys, now):
        error = self.errors.get(slug)
        if error is None and slug not in keys and slug not in registry.KEYLESS:
            error = "BadCredentials"
        if error:
            told = {"error": error, "detail": "told so", "retry_after": self.retry_after.get(slug)}
            return Outcome(provider=slug, fetched_at=now, duration=self.took.get(slug, 0.1), **told)
        skipped = self.skipped.get(slug, {})
        took = self.took.get(slug, 0.2)
        return Outcome(
            provider=slug, fetched_at=now, duration=took, offers=Offers(self.offers[slug]), skipped=skipped, hedges=1
        )


@pytest.fixture
def providers(table):
    return Providers()


@pytest.fixture
def beat(providers):
    clock = [AT]

    def beat(after=20.0, keys=KEYS):
        clock[0] += after
        return sync.beat(providers, keys, clock=lambda: clock[0], slugs=SLUGS)

    return beat


def test_names_without_adapters_and_adapters_are_the_same():
    assert set(ALL) == set(registry.PROVIDERS)
    assert list(ALL) == sorted(ALL)


def test_a_beat_brings_every_providers_offers(beat, providers):
    summary = beat()
    assert providers.asked == [set(SLUGS)]
    states = store.states_of(SLUGS)
    assert {slug: state.offers for slug, state in states.items()} == dict.fromkeys(SLUGS, EACH)
    assert summary.metrics(AT + 20)["Offers"] == EACH * len(SLUGS)
    assert summary.metrics(AT + 20)["OldestPartAge"] == 0


def test_a_quiet_beat_is_its_lease_one_read_and_a_heartbeat_each(beat, calls):
    beat()
    calls.clear()
    beat()
    assert calls == ["PutItem", "BatchGetItem"] + ["PutItem"] * len(SLUGS)


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
        beat()
    providers.errors = {"vastai": "ProviderUnavailable"}
    for _ in range(6):
        beat()
        assert "vastai" in providers.asked[-1]
    assert store.states_of(["vastai"])["vastai"].circuit == "open"
    summary = beat(after=20)
    assert "vastai" not in providers.asked[-1]
    assert (summary.states["vastai"].outcome, summary.states["vastai"].offers) == ("skipped", EACH)
    providers.errors = {}
    beat(after=20)
    assert "vastai" in providers.asked[-1]
    assert store.states_of(["vastai"])["vastai"].circuit == "closed"


def test_a_failed_trial_opens_the_circuit_for_another_thirty_seconds(beat, providers):
    """197."""
    providers.errors = {"vastai": "ProviderUnavailable"}
    for _ in range(10):
        beat()
    beat(after=30)
    assert "vastai" in providers.asked[-1]
    beat(after=20)
    assert "vastai" not in providers.asked[-1]


def test_a_provider_without_a_key_is_said_to_lack_it_and_its_circuit_stays_closed(beat, providers):
    for _ in range(12):
        summary = beat(keys={})
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
    assert {slug for slug, state in summary.states.items() if state.outcome == "ok"} == registry.KEYLESS & set(SLUGS)


def test_two_beats_at_once_leave_one_truth(beat, providers, monkeypatch):
    beat()
    seen = store.states_of(SLUGS)
    beat()
    monkeypatch.setattr(store, "heads_of", lambda slugs: (seen, {}))
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
    keys = dict.fromkeys(ALL, "key")
    summary = sync.beat(fetcher, keys, clock=lambda: datetime(2026, 5, 24, tzinfo=UTC).timestamp())
    fetcher.close()
    told = {slug: state.error for slug, state in summary.states.items()}
    objects = {"aws", "crusoe", "fluidstack", "hotaisle", "latitude", "salad", "tensordock", "verda"}
    assert told == dict.fromkeys(ALL, "ProviderUnavailable") | dict.fromkeys(objects, "BadCredentials"), (
        "a text is no key where a key has parts"
    )


def test_offers_of_two_fetches_with_the_same_id_are_one(beat, providers):
    """R7.3 (217)."""
    providers.offers = dict(MARKET) | {"vastai": [an_offer(1), an_offer(1), an_offer(2)]}
    assert beat().states["vastai"].offers == 2


# ------------------------------------------------------------------ one at a time


def test_a_beat_beside_another_asks_nobody_writes_nothing_and_says_so(beat, providers, calls):
    beat()
    calls.clear()
    summary = beat(after=5)  # the one before may still be at work: only its lease can tell
    assert len(providers.asked) == 1
    assert calls == ["PutItem"]
    assert sorted(summary.told()["overtaken"]) == sorted(SLUGS)
    assert summary.metrics(AT) == {"SyncsOvertaken": 1}, "no gauge of a market that it has not seen"
    assert beat(after=15).asked == len(SLUGS)


def test_a_beat_that_failed_gives_its_lease_back_for_the_next_try(beat, providers, monkeypatch):
    real = providers.fetch_all
    monkeypatch.setattr(providers, "fetch_all", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        beat()
    monkeypatch.setattr(providers, "fetch_all", real)
    assert beat(after=1).asked == len(SLUGS)


def test_an_incomplete_beat_gives_its_lease_back_as_well(beat, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_part", lambda *_: 1 / 0)
        with pytest.raises(sync.SyncIncomplete):
            beat()
    assert beat(after=1).asked == len(SLUGS)


def test_a_beat_that_was_killed_holds_up_nobody_for_long(beat, providers, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(**_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(providers, "fetch_all", killed)
        patch.setattr("gpubroker.resilience.lease.Lease.give_back", lambda self: None)
        with pytest.raises(Killed):
            beat()
    assert beat(after=sync.LEASE_S).asked == len(SLUGS)


# ------------------------------------------------------------------ the circuit


def test_the_settings_of_circuits_are_data(beat, providers):
    """R3.2 (192): what the mesh will set."""
    store.change_breaker_settings("*", {"window": 4, "minimum_calls": 4})
    store.change_breaker_settings("vastai", {"window": 2, "minimum_calls": 2, "open_s": 300.0})
    providers.errors = {"vastai": "ProviderUnavailable", "runpod": "ProviderUnavailable"}
    opened = {"vastai": None, "runpod": None, "azure": None}
    for number in range(1, 6):
        for slug, state in beat().states.items():
            if state.circuit == "open" and opened.get(slug, 0) is None:
                opened[slug] = number
    assert opened == {"vastai": 2, "runpod": 4, "azure": None}
    assert "vastai" not in providers.asked[-1], "for five minutes"


def test_settings_that_make_no_sense_are_said_and_left_aside(beat, providers, caplog):
    for raw in ("{", "[]", '{"window": 0}', '{"window": "ten"}', '{"of": 1}', '{"window": 3}'):
        store.PartItem("SETTINGS", "BREAKER#*", settings=raw, version=1).save()
        caplog.clear()
        assert beat().states["vastai"].outcome == "ok"
        assert "left aside" in caplog.text, raw


def test_changing_settings_is_checked_and_conditional(table, monkeypatch):
    assert store.breaker_settings("vastai") == (PROVIDERS, 0)
    assert store.change_breaker_settings("vastai", {"open_s": 60}).open_s == 60
    assert store.change_breaker_settings("vastai", {"threshold": 0.2}).open_s == 60, "what was set stays"
    assert store.breaker_settings("vastai")[1] == 2
    for wrong in (
        {"threshold": 2},
        {"threshold": float("nan")},
        {"window": 1.5},
        {"trials": True},
        {"minimum_calls": 11},
    ):
        with pytest.raises(Invalid):
            store.change_breaker_settings("vastai", wrong)
    with monkeypatch.context() as patch:
        patch.setattr(store, "breaker_settings", lambda provider: (PROVIDERS, 1))
        with pytest.raises(StaleVersion):
            store.change_breaker_settings("vastai", {"open_s": 5})
    assert store.breaker_settings("vastai")[0].open_s == 60


@pytest.mark.parametrize("error", ["BadCredentials", "QuotaExceeded"])
def test_what_is_not_a_providers_failing_opens_no_circuit(beat, providers, error):
    providers.errors = {"vastai": error}
    for _ in range(12):
        summary = beat()
    assert (summary.states["vastai"].circuit, summary.states["vastai"].healthy) == ("closed", False)


def test_rows_of_which_none_can_be_read_count_as_a_failure(beat, providers):
    providers.offers = dict(MARKET) | {"vastai": []}
    providers.skipped = {"vastai": {"price": 40}}
    for _ in range(10):
        summary = beat()
    assert summary.states["vastai"].circuit == "open"


def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then(beat, providers):
    beat()
    providers.errors, providers.retry_after = {"vastai": "RateLimited"}, {"vastai": 50}
    beat()
    providers.errors = {}
    for after, asked in ((20, False), (20, False), (20, True)):
        summary = beat(after)
        assert ("vastai" in providers.asked[-1]) is asked
    assert summary.states["vastai"].healthy
    providers.errors, providers.retry_after = {"vastai": "RateLimited"}, {"vastai": 1e9}
    beat()
    assert beat(sync.REST_S + 1).states["vastai"].outcome == "failed", "asked again, however long it said"


# ------------------------------------------------------------------ weight, order, hedging


def test_a_slow_provider_loses_weight_and_gets_it_back(beat, providers):
    """R5.2 (206)."""
    weights = []
    for took in (0.2, 2.5, 3.0, 0.2, 0.2, 0.2):
        providers.took = {"vastai": took}
        weights.append(beat().states["vastai"].weight)
    assert weights == [1.0, 0.5, 0.25, 0.5, 1.0, 1.0]
    assert store.states_of(["vastai"])["vastai"].weight == 1.0


def test_the_quick_are_asked_first_the_failing_last_and_the_order_turns(beat, providers):
    """R5.1 (205)."""
    first = beat() and list(providers.order)
    providers.took = {first[0]: 2.5}
    providers.errors = {first[1]: "ProviderUnavailable"}
    beat()
    second = beat() and list(providers.order)
    assert second[-1] == first[1]
    assert second.index(first[0]) > 0
    assert sorted(second) == sorted(first)


def test_the_usual_time_of_healthy_providers_is_told_for_hedging(beat, providers):
    beat()
    assert providers.usual == {}
    providers.errors = {"vastai": "ProviderUnavailable"}
    beat()
    assert providers.usual == dict.fromkeys(SLUGS, 0.2)
    summary = beat()
    assert providers.usual == dict.fromkeys(set(SLUGS) - {"vastai"}, 0.2)
    assert summary.metrics(AT)["HedgedCalls"] == len(SLUGS) - 1


# ------------------------------------------------------------------ health


def test_flapping_is_shown_and_remembered_within_bounds(beat, providers):
    """R6.3 (212)."""
    beat()
    for number in range(1, 20):
        providers.errors = {"vastai": "ProviderUnavailable"} if number % 2 else {}
        summary = beat()
        state = summary.states["vastai"]
        assert state.flapping(state.checked_at) is (number >= 4)
    assert len(state.transitions) == 12
    assert {kind for _, kind in state.transitions} == {"healthy", "unhealthy"}
    assert summary.metrics(state.checked_at)["FlappingProviders"] == 1
    assert store.states_of(["vastai"])["vastai"] == state
    providers.errors = {}
    for _ in range(31):
        state = beat().states["vastai"]
    assert not state.flapping(state.checked_at)


def test_the_changes_of_a_circuit_are_remembered_with_their_times(beat, providers):
    """R3.6 (196)."""
    providers.errors = {"vastai": "ProviderUnavailable"}
    for _ in range(10):
        state = beat().states["vastai"]
    assert [kind for _, kind in state.transitions] == ["unhealthy", "circuit_open"]
    assert state.transitions[-1][0] == state.checked_at


def test_freshness_is_how_old_healthy_offers_became_and_not_how_old_they_are_once_renewed(beat, providers):
    """172: under 60 s for every healthy provider."""
    assert beat().metrics(AT + 20)["HealthyPartAge"] == 0
    assert beat(after=45).metrics(AT + 65)["HealthyPartAge"] == 45
    providers.errors = {"vastai": "ProviderUnavailable"}
    beat()
    assert beat().metrics(AT + 105)["HealthyPartAge"] == 20, "who is not healthy has an alarm of its own"
