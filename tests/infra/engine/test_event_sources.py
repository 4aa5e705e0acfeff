"""Event source mappings behave as on AWS (patches stream_sources and queue_sources)."""

import itertools
import json
import uuid

import pytest

from .conftest import eventually, quickest

# Writes every batch it gets to the table named in its environment, and fails on records that say so.
CONSUMER = """
    import base64, json, os, time, uuid
    import boto3

    table = boto3.client("dynamodb")

    def text(record):
        if "kinesis" in record:
            return base64.b64decode(record["kinesis"]["data"]).decode()
        if "dynamodb" in record:
            return record["dynamodb"]["NewImage"]["what"]["S"]
        return record["body"]

    def name(record):
        if "kinesis" in record:
            return record["kinesis"]["sequenceNumber"]
        if "dynamodb" in record:
            return record["dynamodb"]["SequenceNumber"]
        return record["messageId"]

    def handler(event, context):
        seen = [text(record) for record in event["Records"]]
        table.put_item(TableName=os.environ["SEEN"], Item={
            "id": {"S": uuid.uuid4().hex}, "at": {"N": str(time.time())},
            "function": {"S": context.function_name}, "batch": {"S": json.dumps(seen)}})
        if os.environ.get("SLOW"):
            time.sleep(float(os.environ["SLOW"]))
        if os.environ.get("PARTIAL"):
            return {"batchItemFailures": [{"itemIdentifier": name(r)} for r in event["Records"] if "poison" in text(r)]}
        if os.environ.get("NONSENSE"):
            return {"batchItemFailures": [{"itemIdentifier": ""}]}
        if any("poison" in one for one in seen):
            raise ValueError("poison")
"""


@pytest.fixture(scope="session")
def seen(engine):
    """(function name) → the batches that it got, in order."""
    client = engine.client("dynamodb")
    client.create_table(
        TableName="seen",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def batches(function):
        items = client.scan(TableName="seen")["Items"]
        mine = sorted((float(item["at"]["N"]), item) for item in items if item["function"]["S"] == function)
        return [json.loads(item["batch"]["S"]) for _, item in mine]

    return batches


@pytest.fixture
def consumer(engine, seen):
    def make(**variables):
        return engine.function(CONSUMER, Environment={"Variables": {"SEEN": "seen", **variables}})

    return make


@pytest.fixture
def queue(engine):
    """(url, ARN, messages()) of a new queue."""
    client = engine.client("sqs")
    url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def messages():
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    return url, arn, messages


@pytest.fixture
def stream(engine):
    """(name, ARN) of a new Kinesis stream with two shards."""
    name = f"k-{uuid.uuid4().hex[:8]}"
    engine.client("kinesis").create_stream(StreamName=name, ShardCount=2)
    return name, eventually(
        lambda: (
            (found := engine.client("kinesis").describe_stream(StreamName=name)["StreamDescription"])["StreamStatus"]
            == "ACTIVE"
            and found["StreamARN"]
        )
    )


@pytest.fixture
def table(engine):
    """(name, stream ARN) of a new table with a stream."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    made = engine.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return name, made["TableDescription"]["LatestStreamArn"]


def flat(batches):
    return list(itertools.chain.from_iterable(batches))


def subscribe(engine, function, arn, **settings):
    if ":sqs:" not in arn:
        settings = {"StartingPosition": "TRIM_HORIZON", **settings}
    return engine.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **settings)


def put(engine, stream, *texts, key="a"):
    engine.client("kinesis").put_records(
        StreamName=stream, Records=[{"Data": text.encode(), "PartitionKey": key} for text in texts]
    )


def test_a_poison_record_goes_to_the_on_failure_queue_and_the_others_are_processed(
    engine, seen, consumer, stream, queue
):
    function = consumer()
    put(engine, stream[0], "a", "b", "poison", "c")
    subscribe(engine, function, stream[1], MaximumRetryAttempts=1, BisectBatchOnFunctionError=True,
              DestinationConfig={"OnFailure": {"Destination": queue[1]}})  # fmt: skip
    (failure,) = eventually(queue[2])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["requestContext"]["functionArn"].endswith(function)
    info = failure["KinesisBatchInfo"]
    assert info["batchSize"] == 1
    assert info["startSequenceNumber"] == info["endSequenceNumber"]
    assert info["streamArn"] == stream[1]
    eventually(lambda: seen(function)[-1:] == [["c"]])
    assert ["a", "b"] in seen(function)
    assert seen(function).count(["poison"]) == 2  # once, and one retry


def test_a_partial_answer_is_retried_from_the_record_that_failed(engine, seen, consumer, stream, queue):
    function = consumer(PARTIAL="1")
    put(engine, stream[0], "a", "b", "poison", "c")
    subscribe(engine, function, stream[1], MaximumRetryAttempts=1, FunctionResponseTypes=["ReportBatchItemFailures"],
              DestinationConfig={"OnFailure": {"Destination": queue[1]}})  # fmt: skip
    eventually(queue[2])
    assert seen(function) == [["a", "b", "poison", "c"], ["poison", "c"]]


def put_in_each_shard(engine, stream, *texts):
    shards = engine.client("kinesis").describe_stream(StreamName=stream)["StreamDescription"]["Shards"]
    for shard, text in zip(shards, texts, strict=True):
        engine.client("kinesis").put_record(
            StreamName=stream, Data=text.encode(), PartitionKey="x",
            ExplicitHashKey=shard["HashKeyRange"]["StartingHashKey"],
        )  # fmt: skip


def test_a_shard_that_is_stuck_blocks_no_other(engine, seen, consumer, stream):
    function = consumer()
    put_in_each_shard(engine, stream[0], "poison", "good")
    mapping = subscribe(engine, function, stream[1])
    eventually(lambda: seen(function).count(["poison"]) > 1 and ["good"] in seen(function))
    engine.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def test_shards_are_read_side_by_side(engine, seen, consumer, stream):
    function = consumer(SLOW="2")
    put_in_each_shard(engine, stream[0], "a", "b")
    subscribe(engine, function, stream[1])
    assert eventually(lambda: len(seen(function)) == 2, within=1.9)  # both are at it before either is done


def test_a_record_reaches_its_function_within_milliseconds(engine, seen, consumer, stream):
    function = consumer()
    subscribe(engine, function, stream[1], StartingPosition="LATEST")
    put(engine, stream[0], "first")
    eventually(lambda: seen(function))

    def one_more():
        known = len(seen(function))
        put(engine, stream[0], "more")
        eventually(lambda: len(seen(function)) > known)

    assert quickest(one_more, 5) < 0.15  # most of it is this test's own looking


def test_a_table_stream_bisects_and_reports_to_the_on_failure_queue(engine, seen, consumer, table, queue):
    function = consumer(PARTIAL="1")
    for number, what in enumerate(["a", "poison", "b"]):
        engine.client("dynamodb").put_item(TableName=table[0], Item={"pk": {"S": str(number)}, "what": {"S": what}})
    subscribe(engine, function, table[1], MaximumRetryAttempts=1, BisectBatchOnFunctionError=True,
              FunctionResponseTypes=["ReportBatchItemFailures"],
              DestinationConfig={"OnFailure": {"Destination": queue[1]}})  # fmt: skip
    (failure,) = eventually(queue[2])
    assert failure["DDBStreamBatchInfo"]["batchSize"] == 1
    eventually(lambda: seen(function)[-1:] == [["b"]])


def test_a_table_stream_filter_keeps_the_other_records_away(engine, seen, consumer, table):
    function = consumer()
    pattern = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "OUTBOX#"}]}}}}
    subscribe(engine, function, table[1], FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    for pk in ("RENTAL#1", "OUTBOX#1", "RENTAL#2", "OUTBOX#2"):
        engine.client("dynamodb").put_item(TableName=table[0], Item={"pk": {"S": pk}, "what": {"S": pk}})
    engine.client("dynamodb").put_item(TableName=table[0], Item={"pk": {"S": "OUTBOX#1"}, "what": {"S": "changed"}})
    engine.client("dynamodb").put_item(TableName=table[0], Item={"pk": {"S": "OUTBOX#3"}, "what": {"S": "OUTBOX#3"}})
    eventually(lambda: "OUTBOX#3" in flat(seen(function)))
    assert flat(seen(function)) == ["OUTBOX#1", "OUTBOX#2", "OUTBOX#3"]


def test_each_change_of_an_item_arrives_as_it_was_then(engine, seen, consumer, table):
    function = consumer()
    for what in ("one", "two", "three"):
        engine.client("dynamodb").update_item(
            TableName=table[0], Key={"pk": {"S": "1"}}, UpdateExpression="SET what = :w",
            ExpressionAttributeValues={":w": {"S": what}},
        )  # fmt: skip
    subscribe(engine, function, table[1])
    eventually(lambda: flat(seen(function)) == ["one", "two", "three"])


def test_a_queue_keeps_the_messages_that_failed_and_only_those(engine, seen, consumer, queue):
    function = consumer(PARTIAL="1")
    client = engine.client("sqs")
    for text in ("a", "poison", "b"):
        client.send_message(QueueUrl=queue[0], MessageBody=text)
    mapping = subscribe(engine, function, queue[1], FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: flat(seen(function)).count("poison") == 2)  # came again after the visibility timeout
    assert sorted(set(flat(seen(function)))) == ["a", "b", "poison"]
    assert flat(seen(function)).count("a") == 1
    engine.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_queue_answer_that_makes_no_sense_keeps_every_message(engine, seen, consumer, queue):
    function = consumer(NONSENSE="1")
    engine.client("sqs").send_message(QueueUrl=queue[0], MessageBody="a")
    mapping = subscribe(engine, function, queue[1], FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: flat(seen(function)).count("a") == 2)
    engine.client("lambda").delete_event_source_mapping(UUID=mapping["UUID"])
