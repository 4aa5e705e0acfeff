"""Transactions: all or nothing, and a lost condition says what was lost (DESIGN §1, §3)."""

import json

import boto3
import botocore.client
import pytest
from botocore.exceptions import ReadTimeoutError
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import PutError, TransactWriteError

from gpubroker.kernel import deadline
from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.messaging import relay
from gpubroker.storage.idempotency import KeyReused, remember, replay
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.refusals import code_of, lost_condition
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import PATIENT, AlreadyDone, StaleVersion, Told, Writes, transaction

KEY = Idempotency.of("k-1", tenant="anna", route="/things", body=b"{}")


class Thing(Item):
    class Meta(Table):
        env = "RENTALS_TABLE"

    name = UnicodeAttribute()


class Other(Item):
    class Meta(Table):
        env = "RENTALS_TABLE"


@pytest.fixture
def table(make_table):
    return make_table("rentals")


def make(name="lamp", *, key=KEY, event_id="evt_1"):
    thing = Thing(pk="anna#THING", sk=name, name=name, version=1)
    with transaction(Thing) as tx:
        tx.put(thing, condition=Thing.pk.does_not_exist(), lost=StaleVersion)
        tx.put(outbox_item(Thing, Event("ThingMade", name, {"name": name}, id=event_id), source="things"))
        remember(tx, Thing, key, {"thing": name})


def stored(table):
    return sorted(item["pk"].split("#")[0] for item in table.scan()["Items"])


def test_the_thing_its_fact_and_its_answer_are_written_together(table):
    make()
    assert stored(table) == ["OUTBOX", "anna", "anna"]
    assert replay(Thing, KEY) == {"thing": "lamp"}


def test_a_second_delivery_is_told_so_first_and_changes_nothing(table):
    make()
    with pytest.raises(AlreadyDone):
        make(event_id="evt_2")
    assert stored(table) == ["OUTBOX", "anna", "anna"]


def test_the_loser_of_a_race_writes_neither_thing_nor_fact(table):
    make()
    with pytest.raises(StaleVersion):
        make(key=None, event_id="evt_2")
    assert stored(table) == ["OUTBOX", "anna", "anna"]


def test_the_same_key_with_another_body_is_refused(table):
    make()
    with pytest.raises(KeyReused) as refused:
        replay(Thing, Idempotency.of("k-1", tenant="anna", route="/things", body=b'{"x":1}'))
    assert refused.value.fields[0].field == "Idempotency-Key"


def test_an_exception_in_the_block_writes_nothing(table):
    with pytest.raises(ZeroDivisionError), transaction(Thing) as tx:  # noqa: PT012 - the block is what is tested
        tx.put(Thing(pk="a", sk="b", name="c"))
        raise ZeroDivisionError
    assert stored(table) == []


def test_all_models_share_one_client(table):
    assert Thing._get_connection().connection.client is Other._get_connection().connection.client


class _Refusing:
    """A connection on which a number of transactions meet a conflict."""

    def __init__(self, refusals):
        self.refusals, self.tokens = refusals, []

    def transact_write_items(self, client_request_token=None, **_):
        self.tokens.append(client_request_token)
        if len(self.tokens) <= self.refusals:
            error = TransactWriteError("cancelled")
            error.cause = _Throttled()
            raise error
        return {}


class _Throttled(Exception):
    response = {"Error": {"Code": "ThrottlingException"}}  # noqa: RUF012


def test_throttling_is_tried_again_with_the_same_token_and_then_said(table):
    writes = Writes()
    writes.put(Thing(pk="a", sk="b", name="c"))
    patient = _Refusing(4)
    writes.commit(patient, sleep=lambda _: None)
    assert len(patient.tokens) == 5
    assert len(set(patient.tokens)) == 1
    with pytest.raises(Unavailable):
        writes.commit(_Refusing(99), sleep=lambda _: None)


def test_what_the_relay_publishes_is_the_fact_with_its_trace(table):
    bus, queue = boto3.client("events"), boto3.client("sqs")
    bus.create_event_bus(Name="gpubroker")
    url = queue.create_queue(QueueName="heard")["QueueUrl"]
    bus.put_rule(Name="all", EventBusName="gpubroker", EventPattern='{"source": ["gpubroker.things"]}')
    arn = "arn:aws:sqs:us-east-1:123456789012:heard"
    bus.put_targets(Rule="all", EventBusName="gpubroker", Targets=[{"Id": "q", "Arn": arn}])
    relay._client.cache_clear()
    relay.publish(
        [{"id": "evt_1", "type": "ThingMade", "source": "gpubroker.things", "target": "bus", "data": {"name": "lamp"},
          "occurred_at": "2026-05-24T10:00:00.000Z", "traceparent": None, "correlation_id": "c-1"}]
    )  # fmt: skip
    heard = json.loads(queue.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert (heard["detail-type"], heard["detail"]["name"]) == ("ThingMade", "lamp")
    assert (heard["detail"]["event_id"], heard["detail"]["correlation_id"]) == ("evt_1", "c-1")
    relay._client.cache_clear()


def _lost(client, operation, arguments):
    raise ReadTimeoutError(endpoint_url="https://dynamodb.example")


def test_an_answer_that_never_came_is_the_stores_error(table, monkeypatch):
    """Whether it took effect is not known: not a conflict, nor a lack of a condition."""
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", _lost)
    with pytest.raises(TransactWriteError):
        make()


def test_what_stood_in_the_way_says_what_was_lost(table):
    make()
    with pytest.raises(StaleVersion, match="lamp is there"), transaction(Thing) as tx:  # noqa: PT012
        thing = Thing(pk="anna#THING", sk="lamp", name="other")
        told = Told(lambda item: StaleVersion(f"{item['name']['S']} is there" if item else "nothing"))
        tx.put(thing, condition=Thing.pk.does_not_exist(), lost=told)
    with pytest.raises(StaleVersion, match="nothing"), transaction(Thing) as tx:
        tx.update(Thing(pk="x", sk="y"), actions=[Thing.version.add(1)], condition=Thing.pk.exists(), lost=told)


def test_no_wait_goes_beyond_the_deadline(table):
    writes = Writes()
    writes.put(Thing(pk="a", sk="b", name="c"))
    waits, begun = [], deadline.begin(0.0)
    try:
        with pytest.raises(Unavailable):
            writes.commit(_Refusing(99), backoff=PATIENT, sleep=waits.append)
    finally:
        deadline.end(begun)
    assert waits == []


def test_a_timeout_of_a_single_write_is_no_lost_condition(table, monkeypatch):
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", _lost)
    with pytest.raises(PutError) as failed:
        Thing(pk="a", sk="b", name="c").save()
    assert not lost_condition(failed.value)
    assert code_of(failed.value) is None
