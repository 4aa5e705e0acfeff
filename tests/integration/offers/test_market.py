"""Memory, then Redis, then the table (R2.1-R2.6 (185-190), R8.3 (223)): one real Redis, the table in moto."""

import base64
from dataclasses import replace

import pytest
from boto3.dynamodb.types import TypeSerializer

from gpubroker.kernel.errors import Unavailable
from gpubroker.offers import shared, store
from gpubroker.offers.market import AGAIN_S, CHECK_EVERY_S, MarketReader, RedisTier, TableTier
from gpubroker.offers.publishing import Publisher
from gpubroker.offers.refresh import Wish
from gpubroker.offers.snapshot import Answer, take
from gpubroker.offers.state import PartState
from tests.unit.offers.making import AT, an_offer, repriced

OFFERS = [an_offer(name, price=1 + name / 100) for name in range(60)]
PROVIDERS = ("runpod", "vastai")


class Clock:
    def __init__(self, now=AT):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wishes():
    return []


@pytest.fixture
def reader(clock, wishes, shared_redis):
    return a_reader(clock, wishes, lambda: shared_redis)


def a_reader(clock, wishes, client):
    def wish(states, now):
        wishes.append(now)

    return MarketReader(RedisTier(client), TableTier(), PROVIDERS, wish, clock=clock)


def synced(before, offers, at=AT):
    return take(before, Answer("vastai", at, 0.5, list(offers))).state


def stream(table):
    """The table's present content as its stream would tell of it."""
    serialize = TypeSerializer().serialize
    records = []
    for number, item in enumerate(table.scan()["Items"]):
        image = {name: serialize(value) for name, value in item.items()}
        for value in image.values():
            if "B" in value:
                value["B"] = base64.b64encode(bytes(value["B"])).decode()
        records.append(
            {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": str(number), "NewImage": image, "Keys": {}}}
        )
    return {"Records": records}


@pytest.fixture
def publish(shared_redis, table):
    publisher = Publisher(lambda: shared_redis, PROVIDERS, 300)

    def now(event=None):
        return publisher.handle(event or stream(table))

    return now


def ids(market):
    return set(market.index.where)


def test_a_cold_function_warms_itself_from_redis_without_one_call_to_aws(table, publish, reader, calls):
    synced(PartState(provider="vastai"), OFFERS)
    assert publish() == {"batchItemFailures": []}
    calls.clear()
    assert ids(reader.current()) == {offer.offer_id for offer in OFFERS}
    assert calls == []


def test_a_newer_snapshot_is_seen_within_five_seconds_and_only_its_changes_are_read(
    table, publish, reader, clock, monkeypatch
):
    state = synced(PartState(provider="vastai"), OFFERS)
    publish()
    reader.current()
    synced(state, [repriced(OFFERS[0], 7), *OFFERS[1:]], AT + 3)
    publish()
    read = []
    original = shared.listings_of

    def listings_of(client, wanted):
        read.append({provider: list(names) for provider, names in wanted.items()})
        return original(client, wanted)

    monkeypatch.setattr(shared, "listings_of", listings_of)
    clock.now = AT + CHECK_EVERY_S - 0.1
    market = reader.current()
    row = market.index.where[OFFERS[0].offer_id]
    assert market.index.columns.price[row] == 1_000_000
    clock.now = AT + CHECK_EVERY_S
    market = reader.current()
    assert market.index.columns.price[market.index.where[OFFERS[0].offer_id]] == 7_000_000
    assert [len(names) for wanted in read for names in wanted.values()] == [1]


def test_a_heartbeat_makes_the_offers_fresh_without_a_new_index(table, publish, reader, clock):
    state = synced(PartState(provider="vastai"), OFFERS)
    publish()
    index = reader.current().index
    synced(state, OFFERS, AT + 50)
    publish()
    clock.now = AT + 70
    market = reader.current()
    assert market.index is index
    assert not market.states["vastai"].stale(clock.now)


def test_without_redis_the_table_is_read(table, clock, wishes, calls):
    """R2.6 (190)."""
    synced(PartState(provider="vastai"), OFFERS)
    reader = a_reader(clock, wishes, lambda: None)
    assert len(reader.current().index) == 60


def test_a_redis_that_dies_costs_nothing_but_a_look_at_the_table(table, publish, reader, server, clock, caplog):
    state = synced(PartState(provider="vastai"), OFFERS)
    publish()
    reader.current()
    server.stop()
    synced(state, OFFERS[:50], AT + 20)
    clock.now = AT + 20
    assert len(reader.current().index) == 50
    clock.now = AT + 40
    reader.current()
    assert len([record for record in caplog.records if "redis does not answer" in record.message]) == 1


def test_with_redis_and_table_away_memory_serves_on(table, publish, reader, server, clock, monkeypatch):
    synced(PartState(provider="vastai"), OFFERS)
    publish()
    reader.current()
    server.stop()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    table.delete()
    clock.now = AT + 1000
    market = reader.current()
    assert len(market.index) == 60
    (part,) = [part for part in market.part_views(clock.now) if part["provider"] == "vastai"]
    assert (part["stale"], part["age_seconds"]) == (True, 1000)


def test_a_redis_that_forgot_everything_is_filled_again_by_the_schedule(table, publish, reader, server, clock):
    synced(PartState(provider="vastai"), OFFERS)
    publish()
    server.stop()
    server.start()
    assert publish({"source": "aws.events"}) == {"published": ["vastai"], "forgotten": []}
    assert len(reader.current().index) == 60


def test_batches_that_come_twice_or_late_change_nothing(table, publish, reader, shared_redis, clock):
    state = synced(PartState(provider="vastai"), OFFERS)
    old = stream(table)
    publish(old)
    synced(state, OFFERS[:40], AT + 20)
    publish()
    publish(old)
    publish(old)
    assert len(reader.current().index) == 40
    told = PartState.from_json(shared.states_of(shared_redis)["vastai"])
    assert told.offers == 40


def test_a_part_that_is_half_replaced_is_read_again_a_little_later(table, publish, reader, clock, shared_redis):
    state = synced(PartState(provider="vastai"), OFFERS)
    publish()
    before = reader.current().index
    changed = [repriced(offer, 9) for offer in OFFERS]
    synced(state, changed, AT + 5)
    told = stream(table)
    heads = [record for record in told["Records"] if record["dynamodb"]["NewImage"]["sk"]["S"] == "STATE"]
    publish({"Records": heads})
    clock.now = AT + 5
    assert reader.current().index is before
    publish(told)
    clock.now = AT + 5 + AGAIN_S
    assert {reader.current().index.columns.price[row] for row in reader.current().index.live} == {9_000_000}


def test_an_unreadable_record_is_reported_and_the_others_are_published(table, publish, reader):
    synced(PartState(provider="vastai"), OFFERS)
    told = stream(table)
    bad = {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "bad", "NewImage": {"pk": {"S": "PART#x"}}}}
    assert publish({"Records": [bad, *told["Records"]]}) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(reader.current().index) == 60


def test_with_redis_away_the_batch_is_reported_and_tried_again(table, publish, server):
    synced(PartState(provider="vastai"), OFFERS)
    server.stop()
    assert publish()["batchItemFailures"]


def test_what_nobody_renews_leaves_redis_after_its_time(table, shared_redis):
    """R2.3 (187): 300 s for static data, configurable."""
    synced(PartState(provider="vastai"), OFFERS)
    Publisher(lambda: shared_redis, PROVIDERS, 120).handle(stream(table))
    assert 0 < shared_redis.pttl(shared.STATES) <= 120_000
    assert 0 < shared_redis.pttl("{offers}:part:vastai") <= 120_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda redis: redis.hset(shared.STATES, "vastai", b"{not json"),
        lambda redis: redis.hset(shared.STATES, "vastai", b'{"provider":"vastai","beat":"x","buckets":7}'),
        lambda redis: [
            redis.hset("{offers}:part:vastai", name, redis.hget("{offers}:part:vastai", name)[:8] + b"not zlib")
            for name in redis.hkeys("{offers}:part:vastai")
        ],
    ],
)
def test_what_is_broken_in_redis_is_read_from_the_table(table, publish, reader, shared_redis, spoil):
    synced(PartState(provider="vastai"), OFFERS)
    publish()
    spoil(shared_redis)
    assert len(reader.current().index) == 60


def test_a_state_of_a_later_version_is_read_as_far_as_it_is_known():
    state = PartState(provider="vastai", beat=3)
    later = state.to_json().replace(b'"provider"', b'"colour":"green","provider"')
    assert PartState.from_json(later) == state


def test_before_the_first_sync_the_answer_is_to_come_again_and_a_refresh_is_asked_for(table, reader, wishes):
    with pytest.raises(Unavailable) as refused:
        reader.current()
    assert refused.value.retry_after == 2
    assert wishes == [AT]


def test_a_redis_that_nobody_writes_to_any_more_is_not_believed_for_ever(table, publish, reader, clock):
    state = synced(PartState(provider="vastai"), OFFERS)
    publish()
    reader.current()
    synced(state, OFFERS[:30], AT + 70)
    clock.now = AT + 75
    assert len(reader.current().index) == 30


def test_each_provider_is_its_own_part(table, publish, reader, clock):
    synced(PartState(provider="vastai"), OFFERS)
    other = an_offer("other", "runpod")
    publish()
    reader.current()
    take(PartState(provider="runpod"), Answer("runpod", AT + 1, 0.1, [other]))
    publish()
    clock.now = AT + 5
    market = reader.current()
    assert len(market.index) == 61
    assert set(market.states) == {"runpod", "vastai"}


def test_a_wish_reaches_the_table_beside_the_request(table, wishes, clock):
    jobs = []
    wish = Wish(store.ask_for_refresh, start=jobs.append, u=lambda: 1.0)
    fresh = {"vastai": replace(PartState(provider="vastai"), checked_at=AT, took_s=0.5)}
    wish(fresh, AT + 59)
    assert jobs == []
    wish(fresh, AT + 60)
    (job,) = jobs
    job()
    assert table.get_item(Key={"pk": "REFRESH", "sk": "ALL"})["Item"]["requested_at"] == int(AT + 60)
    wish(fresh, AT + 65)
    assert len(jobs) == 1, "at most one in ten seconds"
