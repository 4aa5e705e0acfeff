"""The hourly reconciliation: what is stored is what the state says, or is put right (R10.4, 234)."""

import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import orjson
import pytest

from gpubroker.offers import catalogue, parts, reconcile, shared, snapshot, store
from gpubroker.offers.providers import registry
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.publishing import Publisher
from gpubroker.offers.rates import DATED, Rates
from gpubroker.offers.rates_today import RatesItem
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.snapshot import Answer, take
from gpubroker.offers.state import PartState
from gpubroker.offers.store import PartItem
from gpubroker.offers.wire import Offers
from gpubroker.storage.transaction import StaleVersion
from tests.unit.offers.making import AT, an_offer, repriced

OFFERS = [an_offer(name, price=1 + name / 100) for name in range(40)]
MOMENT = datetime.fromtimestamp(AT + 60, UTC)


class Provider:
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers) or [OFFERS], 0

    def __call__(self):
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, str):
            return Outcome(provider="vastai", fetched_at=MOMENT, duration=5.0, error=answer)
        return Outcome(provider="vastai", fetched_at=MOMENT, duration=0.5, offers=Offers(answer))


@pytest.fixture
def part(table):
    return take(PartState(provider="vastai"), Answer("vastai", AT, 0.5, OFFERS)).state


def run(provider=None, slug="vastai"):
    return reconcile.reconcile(slug, provider or Provider(), AT + 60)


def bucket(name):
    return PartItem.get("PART#vastai", f"BUCKET#{name}")


def whole():
    """The part as every reader has it: each bucket that the state names is there, of that version, and readable."""
    stored = catalogue.stored_part("vastai")
    assert reconcile.examined("vastai", stored)[0].wrong == []
    ((state, offers),) = store.parts_of(["vastai"])
    assert state.offers == len(offers)
    for name, named in state.buckets.items():
        assert store.listings_of("vastai", [name])[name].version == named.version
    return {offer.offer_id: offer.price_micros_per_hour for offer in offers}


PRICES = {offer.offer_id: offer.price_micros_per_hour for offer in OFFERS}


def test_of_a_part_that_is_right_nothing_is_written_and_nobody_is_asked(part, calls):
    provider = Provider()
    calls.clear()
    report = run(provider)
    assert calls == ["BatchGetItem", "Query"]
    assert (report.wrong, report.asked, provider.asked) == ([], "no", 0)
    assert report.metrics() == {
        "BucketsChecked": len(part.buckets),
        "BucketsRepaired": 0,
        "BucketsLost": 0,
        "ItemsDropped": 0,
    }


def test_a_bucket_that_was_lost_comes_back_from_the_provider_at_once(part):
    name = next(iter(part.buckets))
    bucket(name).delete()
    provider = Provider()
    report = run(provider)
    assert (report.missing, report.lost, report.asked, provider.asked) == ([name], [name], "ok", 1)
    assert whole() == PRICES


def test_an_answer_that_is_too_large_to_be_kept_is_told_and_the_repair_stands(part, monkeypatch):
    name = next(iter(part.buckets))
    gone = {offer.offer_id for offer in parts.bucketed(OFFERS)[name]}
    bucket(name).delete()
    monkeypatch.setattr(parts, "LARGEST_BUCKET_BYTES", 10)
    assert run().asked == "PartTooLarge"
    assert set(whole()) == set(PRICES) - gone


@pytest.mark.parametrize("error", ["ProviderUnavailable", "UnknownAnswer"])
def test_with_its_provider_away_a_lost_bucket_is_at_least_not_named_any_more(part, error):
    name = next(iter(part.buckets))
    gone = set(parts.bucketed(OFFERS)[name])
    bucket(name).delete()
    assert run(Provider(error)).asked == error
    assert set(whole()) == set(PRICES) - {offer.offer_id for offer in gone}
    assert store.states_of(["vastai"])["vastai"].outcome == "ok", "the next beat says what the provider is"
    take(store.states_of(["vastai"])["vastai"], Answer("vastai", AT + 80, 0.5, OFFERS))
    assert whole() == PRICES


def test_a_bucket_from_a_backup_is_rewritten_under_the_version_that_the_state_will_name(part):
    name = next(iter(part.buckets))
    item = bucket(name)
    item.version = 99
    item.save()
    report = run()
    assert (report.torn, report.lost, report.asked) == ([name], [], "no")
    assert whole() == PRICES


def test_offers_that_are_not_those_of_the_digest_are_told_and_the_next_beat_brings_the_true_ones(part):
    name = next(iter(part.buckets))
    other = [repriced(offer, 9.0) for offer in parts.bucketed(OFFERS)[name]]
    item = bucket(name)
    item.records = parts.compressed(parts.encode_records(other))
    item.save()
    assert run().torn == [name]
    take(store.states_of(["vastai"])["vastai"], Answer("vastai", AT + 80, 0.5, OFFERS))
    assert whole() == PRICES


def test_listings_of_another_format_are_made_anew_from_the_records_without_the_provider(part, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(parts, "FORMAT", parts.FORMAT + 1)
        report = run(Provider("ProviderUnavailable"))
        assert report.unreadable == sorted(part.buckets)
        assert (report.lost, report.asked) == ([], "no")
        assert whole() == PRICES


@pytest.mark.parametrize("garbage", [b"", b"garbage", zlib.compress(b"[{]"), zlib.compress(orjson.dumps([{"a": 1}]))])
def test_what_cannot_be_read_at_all_is_lost_and_asked_for(part, garbage):
    name = next(iter(part.buckets))
    item = bucket(name)
    item.listing = item.records = garbage or b"\0"
    item.save()
    report = run()
    assert (report.unreadable, report.lost, report.asked) == ([name], [name], "ok")
    assert whole() == PRICES


def test_what_no_state_names_is_removed(part):
    item = bucket(next(iter(part.buckets)))
    item.sk = "BUCKET#~"
    item.save()
    report = run()
    assert report.orphaned == ["~"]
    assert whole() == PRICES
    PartItem("PART#vastai", "STATE").delete()
    assert run().orphaned == sorted(part.buckets)
    assert catalogue.stored_part("vastai") == catalogue.StoredPart(None, {})


def test_a_second_run_finds_nothing(part):
    for name in list(part.buckets)[:3]:
        bucket(name).delete()
    run()
    assert run().wrong == []


def test_a_sync_between_reading_and_writing_wins_and_nothing_older_comes_back(part, monkeypatch):
    newer = [repriced(offer, 5.0) for offer in OFFERS]
    bucket(next(iter(part.buckets))).delete()
    synced = Once(catalogue.stored_part, lambda: take(part, Answer("vastai", AT + 20, 0.5, newer)))
    monkeypatch.setattr(catalogue, "stored_part", synced)
    report = run()
    assert (report.wrong, report.asked) == ([], "no")
    assert set(whole().values()) == {5_000_000}


def current():
    return store.states_of(["vastai"])["vastai"]


class Once:
    """A function behind whose first call something else happens."""

    def __init__(self, real, then):
        self.real, self.then = real, then

    def __call__(self, *given):
        found = self.real(*given)
        then, self.then = self.then, lambda: None
        then()
        return found


def test_who_is_overtaken_every_time_says_so(part, monkeypatch):
    bucket(next(iter(part.buckets))).delete()

    def lost(*_):
        raise StaleVersion

    monkeypatch.setattr(store, "save_part", lost)
    with pytest.raises(StaleVersion):
        run()


# ------------------------------------------------------------------ short answers


def suspect(part):
    state = take(part, Answer("vastai", AT + 20, 0.5, OFFERS[:3])).state
    assert state.outcome == "suspect"
    return state


def test_a_short_answer_is_believed_when_a_second_one_says_the_same(part):
    suspect(part)
    provider = Provider(OFFERS[:5], OFFERS[:5])
    assert (run(provider).asked, provider.asked) == ("confirmed", 2)
    assert set(whole()) == {offer.offer_id for offer in OFFERS[:5]}


@pytest.mark.parametrize("second", [OFFERS[5:10], [], "ProviderUnavailable"])
def test_a_short_answer_that_is_not_confirmed_empties_nothing(part, second):
    suspect(part)
    assert run(Provider(OFFERS[:5], second)).asked == "suspect"
    assert whole() == PRICES


def test_a_part_that_was_doubted_and_is_whole_again_is_taken_as_it_is(part):
    suspect(part)
    provider = Provider(OFFERS)
    assert (run(provider).asked, provider.asked) == ("ok", 1)


def test_a_provider_whose_circuit_is_open_or_who_asked_for_rest_is_left_alone(part):
    store.save_state(suspect(part).next(rest_until=AT + 100))
    provider = Provider()
    assert (run(provider).asked, provider.asked) == ("left alone", 0)


# ------------------------------------------------------------------ former providers


def test_the_part_of_a_provider_that_is_no_longer_ours_goes_and_its_name_when_nothing_is_left(table):
    assert reconcile.providers() == sorted(SLUGS)
    assert reconcile.providers((*SLUGS, "former")) == sorted([*SLUGS, "former"])
    offers = [replace(offer, provider="former") for offer in OFFERS]
    take(PartState(provider="former"), Answer("former", AT, 0.5, offers))
    assert reconcile.providers() == sorted([*SLUGS, "former"]), "remembered, though nobody asks it"
    report = run(slug="former")
    assert report.dropped == len(parts.bucketed(OFFERS)) + 1
    assert catalogue.stored_part("former") == catalogue.StoredPart(None, {})
    assert "former" in reconcile.providers(), "an old version of the sync may still write it"
    assert run(slug="former").dropped == 0
    assert reconcile.providers() == sorted(SLUGS)
    assert run(slug="former").dropped == 0, "a second delivery"


def test_redis_forgets_a_provider_that_is_no_longer_ours(part, shared_redis):
    shared.publish(shared_redis, "former", replace(part, provider="former"), {})
    publisher = Publisher(lambda: shared_redis, SLUGS, 300)
    assert publisher.handle({}) == {"published": ["vastai"], "forgotten": ["former"]}
    assert set(shared.states_of(shared_redis)) == {"vastai"}
    assert publisher.handle({})["forgotten"] == []


def test_the_function_lists_and_reconciles(part, monkeypatch, capsys):
    from offers import reconcile_catalogue as function

    monkeypatch.setattr(function, "ask", lambda provider: Provider()())
    assert function.handler({}, None) == {"providers": sorted(SLUGS)}
    bucket(next(iter(part.buckets))).delete()
    told = function.handler({"provider": "vastai"}, None)
    assert (told["provider"], told["asked"], told["BucketsLost"]) == ("vastai", "ok", 1)
    assert '"BucketsRepaired":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert snapshot.suspicious(current(), 3)


def test_the_function_asks_at_the_exchange_rates_of_the_day_as_the_sync_does(table, monkeypatch):
    from offers import reconcile_catalogue as function

    of_the_day = Rates({**DATED.usd_per_unit, "EUR": Decimal("1.25")}, date(2026, 11, 2), "test")
    RatesItem("RATES", "USD", as_of=of_the_day.day, rates=orjson.dumps(of_the_day.to_record()).decode()).save()
    machine = {"gpu": {"model": "H100", "number": 1}}
    addon = {"planCode": "h100.consumption", "pricings": [{"price": 2 * 10**8}], "blobs": {"technical": machine}}
    catalogue_of_ovh = {"locale": {"currencyCode": "EUR"}, "addons": [addon]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=catalogue_of_ovh))
    monkeypatch.setattr(registry, "new_client", lambda *, local: httpx.AsyncClient(transport=transport))
    function.fetcher.cache_clear()
    [offer] = function.ask("ovhcloud").offers
    function.fetcher().close()
    function.fetcher.cache_clear()
    assert (offer.exchange_rate_as_of, offer.price_micros_per_hour) == ("2026-11-02", 2_500_000)
