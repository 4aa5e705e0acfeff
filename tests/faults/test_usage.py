"""Each call to AWS of metering, aggregation and totals fails once, before it took effect or after: nothing is lost,
nothing counts twice. # 414, 421, 457"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from gpubroker.messaging import aside
from gpubroker.storage import table as storage_table
from gpubroker.usage import pending, sink, totals
from gpubroker.usage.aggregation import Aggregation
from gpubroker.usage.changes import note_changes
from gpubroker.usage.event import METRICS, UNIT
from gpubroker.usage.hour import Hour, Stored
from gpubroker.usage.hours import StoredHours
from gpubroker.usage.metering import Metering
from gpubroker.usage.ports import Running, Stretch
from gpubroker.usage.sink import StreamSink
from gpubroker.usage.stream import beats
from gpubroker.usage.totals import Total, Totals
from infra.local.engine.batches import Entry, Outcome, Rules, settle
from tests.unit.usage.folding import NOON, record, records, usage

GPU = METRICS.index("gpu_seconds")
REGION = "us-east-1"
MODES = ("before", "after", "middle")


@dataclass
class Faulty:
    """Fails the call of this number. `middle`: of a call that does many things, all but the first are left undone."""

    number: int = -1
    mode: str = "before"
    calls: list[str] = field(default_factory=list)

    @contextmanager
    def armed(self) -> Iterator[None]:
        real = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

        def called(client: Any, operation: str, given: dict[str, Any]) -> Any:
            self.calls.append(operation)
            if len(self.calls) - 1 != self.number:
                return real(client, operation, given)
            if self.mode == "before":
                raise EndpointConnectionError(endpoint_url="https://aws")
            if self.mode == "after" or not _several(operation, given):
                real(client, operation, given)
                raise ReadTimeoutError(endpoint_url="https://aws")
            return _half(real, client, operation, given)

        with patch("botocore.client.BaseClient._make_api_call", called):
            yield


def _several(operation: str, given: dict[str, Any]) -> bool:
    return operation in ("BatchGetItem", "PutRecords")


def _half(real: Callable[..., Any], client: Any, operation: str, given: dict[str, Any]) -> Any:
    """The service does the first of what it was asked, and says so."""
    if operation == "BatchGetItem":
        ((name, asked),) = given["RequestItems"].items()
        told = real(client, operation, {**given, "RequestItems": {name: {**asked, "Keys": asked["Keys"][:1]}}})
        rest = {name: {**asked, "Keys": asked["Keys"][1:]}} if asked["Keys"][1:] else {}
        return {**told, "UnprocessedKeys": rest}
    told = real(client, operation, {**given, "Records": given["Records"][:1]})
    refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
    return {**told, "Records": told["Records"] + [refused] * (len(given["Records"]) - 1)}


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched, mock_aws():
        patched.delenv("AWS_ENDPOINT_URL", raising=False)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "USAGE_TABLE": "usage",
            "USAGE_STREAM": "usage-events",
            "USAGE_RETENTION_DAYS": "400",
        }.items():
            patched.setenv(name, value)
        _forget()
        client = boto3.client("dynamodb", region_name=REGION)
        client.create_table(
            TableName="usage",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": one, "AttributeType": "S"} for one in ("pk", "sk", "gsi1pk", "gsi1sk")
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "gsi1",
                    "KeySchema": [
                        {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                        {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        boto3.client("kinesis", region_name=REGION).create_stream(StreamName="usage-events", ShardCount=1)
        yield
        _forget()


def _forget() -> None:
    storage_table._shared.cache_clear()
    sink._client.cache_clear()
    aside.client.cache_clear()
    pending._marked.clear()


class Nowhere:
    def put(self, what: dict[str, Any]) -> None:
        raise AssertionError(what)


@dataclass
class OneShard:
    """infra.local.engine.batches.Shard: what an event source mapping does with a function that fails."""

    given_up: list[Entry] = field(default_factory=list)

    def invoke(self, entries: list[Entry]) -> Outcome:
        account = Aggregation(StoredHours(), Nowhere(), lambda: NOON).take([entry.record for entry in entries])
        failed = [{"itemIdentifier": account.failed}] if account.failed else []
        return Outcome({"batchItemFailures": failed})

    def advance(self, position: int) -> None: ...

    def discard(self, entries: list[Entry], condition: str, invocations: int) -> None:
        self.given_up += entries

    def wait(self, attempt: int) -> bool:
        return True


def aggregated(brought: list[dict[str, Any]]) -> list[Entry]:
    """As the mapping of infra/usage.yaml brings them; what it gave up."""
    shard = OneShard()
    entries = [Entry(one, at + 1, one["kinesis"]["sequenceNumber"], 0.0) for at, one in enumerate(brought)]
    assert settle(entries, Rules(retries=50, bisect=True, partial=True), shard, lambda: 0.0)
    return shard.given_up


def hour_of(user: str, instance: str, hour_ms: int = NOON) -> Stored:
    return StoredHours().read([(user, instance, hour_ms)])[user, instance, hour_ms]


def calls_of(work: Callable[[str], None]) -> list[str]:
    """The calls of the work when nothing fails."""
    faulty = Faulty()
    with faulty.armed():
        work("calm")
    return faulty.calls


def batch_of(run: str) -> list[dict[str, Any]]:
    """Three instances, two hours, one event twice, and a heartbeat behind them."""
    brought = []
    for instance in range(3):
        events = [usage(start, user=f"usr_{run}", instance=f"{run}.{instance}") for start in (0, 30, 3600)]
        brought += records(events, first=len(brought))
    brought += records([usage(0, user=f"usr_{run}", instance=f"{run}.0")], first=len(brought))
    key, content = next(beats(NOON))
    return [*brought, record(key, content, len(brought))]


def test_every_call_of_the_aggregation_fails_once_and_each_event_counts_once(aws: None) -> None:
    calls = calls_of(lambda run: _aggregate(run))
    assert sorted(calls) == ["BatchGetItem"] + ["PutItem"] * 6 + ["UpdateItem"]
    for number in range(len(calls)):
        for mode in MODES:
            run = f"agg{number}{mode}"
            faulty = Faulty(number, mode)
            with faulty.armed():
                _aggregate(run)
            _counted(run, faulty)


def _aggregate(run: str) -> None:
    assert aggregated(batch_of(run)) == []


def _counted(run: str, faulty: Faulty) -> None:
    for instance in range(3):
        for hour_ms, events in ((NOON, 2), (NOON + 3_600_000, 1)):
            stored = hour_of(f"usr_{run}", f"{run}.{instance}", hour_ms)
            hour = Hour(hour_ms, stored)
            assert hour.sums[""].events == events, (run, faulty.calls)
            assert hour.sums[""].amounts[GPU] == events * 30 * UNIT
            assert len(list(hour.events())) == events
            assert hour.conflicts == []


def test_every_call_of_the_totals_fails_once_and_they_come_out_right(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpubroker.storage.due.SHARDS", 1)  # all alike, so one is enough to look at
    calls = calls_of(_made)
    assert len(calls) > 15
    for number in range(len(calls)):
        for mode in ("before", "after"):
            run = f"tot{number}{mode}"
            with Faulty(number, mode).armed():
                _made(run)
            _right(run)
            _empty()


def _empty() -> None:
    """moto looks through the whole table for a query: what is done with goes."""
    table = boto3.resource("dynamodb", region_name=REGION).Table("usage")
    for item in table.scan(ProjectionExpression="pk, sk")["Items"]:
        table.delete_item(Key=item)


def _made(run: str) -> None:
    """A user's hour of two instances, one of them an organisation's: noted, swept until nothing is due."""
    user, org = f"usr_{run}", f"org_{run}"
    events = [usage(0, user=user, instance=f"{run}.a"), usage(0, user=user, instance=f"{run}.b", org=org)]
    assert aggregated(records(events)) == []
    image = {"pk": {"S": f"{user}#USAGE#2026-11-25"}, "sk": {"S": "12#a"}, "kind": {"S": "hour"}}
    image["sums"] = {"S": f'{{"{org}": []}}'}
    now_ms = NOON + 2 * 86_400_000
    changed = [{"dynamodb": {"SequenceNumber": "1", "NewImage": image}}]
    _again_until_it_works(lambda: note_changes(changed, now_ms))
    for minute in range(4):
        moment = now_ms + minute * 60_000
        _again_until_it_works(lambda at=moment: Totals(lambda: at).sweep())  # type: ignore[misc]


def _again_until_it_works(step: Callable[[], Any]) -> None:
    """As a stream's mapping brings a batch again, and a schedule comes back."""
    for _ in range(3):
        try:
            step()
            return
        except Exception as error:
            failure = error
    raise failure


def _right(run: str) -> None:
    user, org = f"usr_{run}", totals.owner_of(f"org_{run}")
    for owner, sk, seconds in (
        (user, "HOUR#2026-11-25T12", 60),
        (user, "DAY#2026-11-25", 60),
        (user, f"INSTANCE#{run}.a#2026-11-25", 30),
        (org, "HOUR#2026-11-25T12", 30),
        (org, "DAY#2026-11-25", 30),
    ):
        total = totals.stored(owner, sk)
        assert isinstance(total, Total), (run, owner, sk)
        assert total.all().amounts[GPU] == seconds * UNIT, (run, owner, sk)
    assert list(totals.PendingItem.query(f"{user}#PENDING")) == []


class Rentals:
    """usage.ports.RunningRentals: one instance that runs."""

    def __init__(self, run: str, until_ms: int | None) -> None:
        self._one = Running(f"{run}.m1", f"usr_{run}", None, 2, (Stretch(NOON + 7_000, until_ms),))

    def instances(self) -> list[Running]:
        return [self._one]


def test_every_call_of_a_beat_fails_once_and_the_seconds_metered_are_the_seconds_charged(aws: None) -> None:
    calls = calls_of(_metered)
    assert {"GetItem", "PutItem", "PutRecords"} <= set(calls)
    for number in range(len(calls)):
        for mode in MODES:
            run = f"met{number}{mode}"
            with Faulty(number, mode).armed():
                _metered(run)
            stored = hour_of(f"usr_{run}", f"{run}.m1")
            assert Hour(NOON, stored).sums[""].amounts[GPU] == 58 * 2 * UNIT, (run, number, mode)


def _metered(run: str) -> None:
    """Beats every 30 s, each tried three times like the workflow's; then the stream is read."""
    table = boto3.resource("dynamodb", region_name=REGION).Table("usage")
    client = boto3.client("kinesis", region_name=REGION)
    name = f"usage-{run}"
    with patch.dict("os.environ", {"USAGE_STREAM": name}):
        _calm(lambda: client.create_stream(StreamName=name, ShardCount=1))
        _calm(lambda: table.delete_item(Key={"pk": "METER", "sk": "CURSOR"}))
        for beat in range(5):
            now_ms = NOON + beat * 30_000
            until = None if beat < 3 else NOON + 65_000
            metering = Metering(Rentals(run, until), StreamSink(sleep=lambda _: None), lambda at=now_ms: at)  # type: ignore[misc]
            _again_until_it_works(metering.beat)
        found = _calm(lambda: _all_of(client, name))
        assert _calm(lambda: aggregated(found)) == []
        _calm(lambda: client.delete_stream(StreamName=name))


_REAL = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]


def _calm(work: Callable[[], Any]) -> Any:
    """What belongs to the test and not to what is tested: it does not fail, and is not numbered."""
    with patch("botocore.client.BaseClient._make_api_call", _REAL):
        return work()


def _all_of(client: Any, name: str) -> list[dict[str, Any]]:
    shard = client.get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = client.get_records(ShardIterator=shard)["Records"]
    return [record(one["PartitionKey"], one["Data"], at) for at, one in enumerate(found)]
