"""The snapshot in the table: only what changed is written, each price change once, no part is ever torn."""

import json
from dataclasses import replace

import pytest
from pynamodb.connection.base import Connection

from gpubroker.offers import parts, snapshot, store
from gpubroker.offers.lookup import OfferLookup
from gpubroker.offers.offer import Availability
from gpubroker.offers.snapshot import Answer, take
from gpubroker.offers.state import PartState
from gpubroker.storage.transaction import StaleVersion
from tests.unit.offers.making import AT, an_offer, many, repriced

FIRST = PartState(provider="vastai")


def answer(offers, at=AT, **changes):
    return Answer("vastai", at, 0.5, list(offers), **changes)


def failure(at, error="ProviderUnavailable"):
    return Answer("vastai", at, 5.0, None, error=error, detail="timed out")


def outbox(table):
    items = [item for item in table.scan()["Items"] if item["pk"].startswith("OUTBOX#")]
    return [json.loads(item["event"]) for item in items]


def stored():
    return store.states_of(["vastai"])["vastai"]


def offers_stored():
    ((_, offers),) = store.parts_of(["vastai"])
    return {offer.offer_id: offer for offer in offers}


OFFERS = [an_offer(name, price=1 + name / 100) for name in range(40)]


def test_a_first_answer_becomes_a_part_and_tells_of_no_price_change(table):
    result = take(FIRST, answer(OFFERS))
    assert stored() == result.state
    assert offers_stored() == {offer.offer_id: offer for offer in OFFERS}
    assert outbox(table) == []


def test_a_sync_in_which_nothing_changed_writes_only_its_heartbeat(table, calls):
    before = take(FIRST, answer(OFFERS)).state
    buckets = {item["sk"]: item["version"] for item in table.scan()["Items"] if item["sk"] != "STATE"}
    calls.clear()
    after = take(before, answer(OFFERS, AT + 20)).state
    assert calls == ["PutItem"], "in a transaction it would be billed twice"
    assert (after.version, after.beat, after.fetched_at) == (before.version, before.beat + 1, AT + 20)
    assert {item["sk"]: item["version"] for item in table.scan()["Items"] if item["sk"] != "STATE"} == buckets


def test_a_changed_price_rewrites_one_bucket_and_tells_the_stream_of_it_once(table):
    """R12.1 (244), 321."""
    before = take(FIRST, answer(OFFERS)).state
    dearer = [repriced(OFFERS[0], 1.1), *OFFERS[1:]]
    result = take(before, answer(dearer, AT + 20))
    assert (result.buckets_changed, result.prices_changed) == (1, 1)
    changed = parts.bucket_of(OFFERS[0].offer_id)
    assert {name for name, bucket in result.state.buckets.items() if bucket.version == 2} == {changed}
    (event,) = outbox(table)
    assert event["target"] == "prices"
    (record,) = event["data"]["records"]
    assert {key: record[key] for key in ("provider", "offer_id", "old_price", "new_price", "timestamp")} == {
        "provider": "vastai",
        "offer_id": OFFERS[0].offer_id,
        "old_price": 1.0,
        "new_price": 1.1,
        "timestamp": "2026-05-24T10:00:20.000Z",
    }
    take(result.state, answer(dearer, AT + 40))
    assert len(outbox(table)) == 1


def test_an_offer_that_left_is_gone_and_its_empty_bucket_with_it(table):
    few = [an_offer(name) for name in range(3)]
    before = take(FIRST, answer(few)).state
    take(before, answer(few[:1], AT + 20))
    assert list(offers_stored()) == [few[0].offer_id]
    assert len([item for item in table.scan()["Items"] if item["sk"].startswith("BUCKET#")]) == 1
    assert OfferLookup().offer(few[1].offer_id) is None


def test_a_failing_provider_keeps_its_last_good_offers_and_says_since_when(table):
    """R1.5 (184), R3.3 (193)."""
    before = take(FIRST, answer(OFFERS)).state
    after = take(before, failure(AT + 100)).state
    assert len(offers_stored()) == 40
    assert (after.outcome, after.error, after.fetched_at) == ("failed", "ProviderUnavailable", AT)
    assert not after.healthy
    assert after.stale(AT + 100)
    (event,) = outbox(table)
    assert (event["type"], event["data"]["event_type"]) == ("ProviderHealthChanged", "unhealthy")


def test_a_provider_that_recovers_says_so_once(table):
    state = take(FIRST, answer(OFFERS)).state
    for attempt in range(3):
        state = take(state, failure(AT + 20 * (attempt + 1))).state
    assert state.failures == 3
    state = take(state, answer(OFFERS, AT + 100)).state
    take(state, answer(OFFERS, AT + 120))
    assert [event["data"]["event_type"] for event in outbox(table)].count("unhealthy") == 1
    assert [event["data"]["event_type"] for event in outbox(table)].count("healthy") == 1


@pytest.mark.parametrize("left", [0, 1, 19])
def test_a_suddenly_short_answer_is_believed_at_its_third_time(table, left):
    state = take(FIRST, answer(OFFERS)).state
    for attempt in (1, 2):
        state = take(state, answer(OFFERS[:left], AT + 20 * attempt)).state
        assert (state.outcome, state.fetched_at, len(offers_stored())) == ("suspect", AT, 40)
    state = take(state, answer(OFFERS[:left], AT + 60)).state
    assert (state.outcome, state.offers, len(offers_stored())) == ("ok", left, left)


@pytest.mark.parametrize("before", [OFFERS, []])
def test_an_answer_of_which_no_row_can_be_read_is_never_believed(table, before):
    state = take(FIRST, answer(before)).state
    for attempt in range(1, 6):
        state = take(state, answer([], AT + 20 * attempt, left_out=40)).state
        assert (state.outcome, state.error, state.failures) == ("failed", "UnknownAnswer", attempt)
    assert (state.fetched_at, state.offers) == (AT, len(before))
    assert state.stale(AT + 100)


def test_a_short_answer_between_good_ones_changes_nothing(table):
    state = take(FIRST, answer(OFFERS)).state
    state = take(state, answer([], AT + 20)).state
    state = take(state, answer(OFFERS, AT + 40)).state
    assert (state.outcome, state.suspects, state.version) == ("ok", 0, 1)
    assert outbox(table) == []


def test_of_two_syncs_at_once_the_second_writes_nothing(table):
    before = take(FIRST, answer(OFFERS)).state
    take(before, answer([repriced(OFFERS[0], 3), *OFFERS[1:]], AT + 20))
    with pytest.raises(StaleVersion):
        take(before, answer([repriced(OFFERS[0], 4), *OFFERS[1:]], AT + 20))
    assert offers_stored()[OFFERS[0].offer_id].price_micros_per_gpu_hour == 3_000_000
    assert len(outbox(table)) == 1


def test_a_part_over_the_bounds_of_a_transaction_is_whole_after_each_of_several(table, monkeypatch):
    monkeypatch.setattr(store, "_MOST_ACTIONS", 7)
    offers = [replace(offer, provider="vastai") for offer in many(300)]
    seen = []
    original = Connection.dispatch

    def watched(self, operation_name, operation_kwargs):
        outcome = original(self, operation_name, operation_kwargs)
        if operation_name == "TransactWriteItems":
            state = PartState.from_json(table.get_item(Key={"pk": "PART#vastai", "sk": "STATE"})["Item"]["state"])
            buckets = {
                item["sk"].removeprefix("BUCKET#"): int(item["version"])
                for item in table.scan()["Items"]
                if item["sk"].startswith("BUCKET#")
            }
            seen.append(buckets == {name: bucket.version for name, bucket in state.buckets.items()})
        return outcome

    monkeypatch.setattr(Connection, "dispatch", watched)
    result = take(FIRST, answer(offers))
    assert len(seen) > 3
    assert all(seen)
    assert (result.state.offers, len(offers_stored())) == (300, 300)


def test_a_sync_that_dies_between_transactions_is_made_good_by_the_next(table, monkeypatch):
    state = take(FIRST, answer(OFFERS)).state
    dearer = [repriced(offer, 9) for offer in OFFERS]
    monkeypatch.setattr(store, "_MOST_ACTIONS", 7)
    original, left = Connection.dispatch, [2]

    def dies(self, operation_name, operation_kwargs):
        if operation_name == "TransactWriteItems":
            left[0] -= 1
            if left[0] < 0:
                raise SystemExit("the process died")
        return original(self, operation_name, operation_kwargs)

    monkeypatch.setattr(Connection, "dispatch", dies)
    with pytest.raises(SystemExit):
        take(state, answer(dearer, AT + 20))
    monkeypatch.setattr(Connection, "dispatch", original)
    half = stored()
    assert state.version < half.version
    assert half.fetched_at == AT, "an unfinished answer does not count as fresh"
    take(half, answer(dearer, AT + 40))
    told = [record["offer_id"] for event in outbox(table) for record in event["data"]["records"]]
    assert sorted(told) == sorted(offer.offer_id for offer in OFFERS), "each change was told exactly once"
    assert {offer.price_micros_per_gpu_hour for offer in offers_stored().values()} == {9_000_000}


def test_an_answer_whose_write_was_lost_after_taking_effect_is_not_told_twice(table, monkeypatch):
    state = take(FIRST, answer(OFFERS)).state
    dearer = [repriced(OFFERS[0], 9), *OFFERS[1:]]
    original, armed = Connection.dispatch, [True]

    def answer_lost(self, operation_name, operation_kwargs):
        outcome = original(self, operation_name, operation_kwargs)
        if operation_name == "TransactWriteItems" and armed.pop() if armed else False:
            raise ConnectionResetError("the answer was lost")
        return outcome

    monkeypatch.setattr(Connection, "dispatch", answer_lost)
    with pytest.raises(ConnectionResetError):
        take(state, answer(dearer, AT + 20))
    take(stored(), answer(dearer, AT + 40))
    assert len([event for event in outbox(table) if event["target"] == "prices"]) == 1


def test_a_bucket_too_large_for_an_item_is_a_failure_of_which_nothing_is_kept(table, monkeypatch):
    monkeypatch.setattr(parts, "LARGEST_BUCKET_BYTES", 100)
    state = take(FIRST, answer(OFFERS)).state
    assert (state.outcome, state.error, state.buckets, state.offers) == ("failed", "PartTooLarge", {}, 0)
    assert stored() == state
    assert not [item for item in table.scan()["Items"] if item["sk"].startswith(store.BUCKET)]


def test_one_offer_is_looked_up_whole_by_one_read(table, calls):
    take(FIRST, answer(OFFERS))
    calls.clear()
    assert OfferLookup().offer(OFFERS[3].offer_id) == OFFERS[3]
    assert calls == ["GetItem"]
    assert OfferLookup().offer("nobody-abc") is None
    assert OfferLookup().offer("") is None


def test_similar_offers_are_rentable_of_the_same_model_and_count_and_the_nearest_first(table):
    wanted = an_offer("wanted", price=2)
    near = an_offer("near", price=2.1)
    far = an_offer("far", price=2.05, region="eu-west")
    others = [
        an_offer("spot", price=2, spot=True),
        an_offer("not rentable", rentable=False),
        an_offer("two", gpu_count=2),
        an_offer("other model", gpu_model="A100"),
        an_offer("gone", availability=Availability.UNAVAILABLE),
    ]
    elsewhere = an_offer("elsewhere", "runpod", price=2)
    take(FIRST, answer([wanted, near, far, *others]))
    take(PartState(provider="runpod"), Answer("runpod", AT, 0.1, [elsewhere]))
    found = OfferLookup().similar(wanted, 10)
    assert [offer.offer_id for offer in found] == [
        near.offer_id, far.offer_id, elsewhere.offer_id, others[0].offer_id,
    ]  # fmt: skip
    assert OfferLookup().similar(wanted, 1) == found[:1]


def test_equally_good_offers_of_several_providers_take_turns_and_those_of_a_failing_one_come_last(table):
    """R5.1 (205)."""
    wanted = an_offer("wanted", price=2)
    for provider in ("runpod", "shadeform", "lambdalabs"):
        alike = [an_offer(name, provider, price=2) for name in ("one", "two")]
        state = take(PartState(provider=provider), Answer(provider, AT, 0.1, alike)).state
        if provider == "shadeform":
            take(state, Answer(provider, AT + 20, 5.0, None, error="ProviderUnavailable"))
    cheaper = an_offer("cheaper", "runpod", price=1.9)
    lookup = OfferLookup()
    rounds = [[offer.provider for offer in lookup.similar(wanted, 10)] for _ in range(2)]
    for order in rounds:
        assert len(order) == 6
        assert order[2] == order[5] == "shadeform"
        assert {*order[:2]} == {*order[3:5]} == {"runpod", "lambdalabs"}
    firsts = {lookup.similar(wanted, 1)[0].provider for _ in range(4)}
    assert firsts == {"runpod", "lambdalabs"}, "nobody is always the first"
    nearer = replace(wanted, price_micros_per_hour=cheaper.price_micros_per_hour)
    take(PartState(provider="verda"), Answer("verda", AT, 0.1, [an_offer("nearest", "verda", price=1.9)]))
    assert lookup.similar(nearer, 1)[0].provider == "verda", "the price decides before any turn"


def test_a_wish_for_a_refresh_is_left_at_most_once_in_ten_seconds(table):
    assert store.ask_for_refresh(AT, 10)
    assert not store.ask_for_refresh(AT + 9, 10)
    assert store.ask_for_refresh(AT + 10, 10)


def test_launch_values_are_stored_and_never_shown(table):
    take(FIRST, answer([an_offer(1, launch={"ask_id": "only-for-renting"})]))
    ((_, bucket),) = [(item["sk"], item) for item in table.scan()["Items"] if item["sk"].startswith("BUCKET#")]
    listing = parts.decode_listing(bytes(bucket["listing"]))
    assert b"only-for-renting" not in b"".join(listing.fragments)
    assert OfferLookup().offer(an_offer(1).offer_id).launch == {"ask_id": "only-for-renting"}


def test_half_is_the_bound_of_what_is_believed_at_once():
    had = replace(FIRST, offers=40, outcome="ok")
    assert snapshot.suspicious(had, 19)
    assert not snapshot.suspicious(had, 20)
    assert not snapshot.suspicious(replace(had, offers=9), 0), "a small provider may well be sold out"


def test_offers_that_come_go_or_run_short_are_told_of_once_and_with_their_write(table):
    """R11.4 (240): the fact behind the channel `availability`."""
    before = take(FIRST, answer(OFFERS)).state
    assert outbox(table) == [], "a first answer is no news of each offer"
    scarce = replace(OFFERS[1], availability=Availability.LIMITED)
    after = take(before, answer([scarce, *OFFERS[2:], an_offer("new")], AT + 20)).state
    (event,) = outbox(table)
    assert (event["type"], event["target"], event["data"]["provider"]) == ("AvailabilityChanged", "bus", "vastai")
    told = {change["offer_id"]: (change["was"], change["now"]) for change in event["data"]["changes"]}
    usual = OFFERS[0].availability.value
    assert told == {
        OFFERS[0].offer_id: (usual, "unlisted"),
        scarce.offer_id: (usual, "limited"),
        an_offer("new").offer_id: ("unlisted", usual),
    }
    with pytest.raises(StaleVersion):
        take(before, answer(OFFERS[5:], AT + 20))
    take(after, answer([scarce, *OFFERS[2:], an_offer("new")], AT + 40))
    assert len(outbox(table)) == 1
