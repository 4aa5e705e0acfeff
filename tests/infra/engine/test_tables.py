"""DynamoDB tables keep what their template says, and large partitions stay quick (patches tables, table_queries)."""

import json
import time
import uuid

import botocore.exceptions
import pytest

from .conftest import eventually, quickest

TEMPLATE = """
    Resources:
      Table:
        Type: AWS::DynamoDB::Table
        Properties:
          BillingMode: PAY_PER_REQUEST
          KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
          AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
          StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
          TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
          PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
    Outputs:
      Name: {Value: !Ref Table}
      Stream: {Value: !GetAtt Table.StreamArn}
"""


@pytest.fixture(scope="session")
def table(engine):
    """(name, stream ARN) of a table made by a template."""
    outputs = engine.deploy(TEMPLATE)
    return outputs["Name"], outputs["Stream"]


@pytest.fixture(scope="session")
def partition(engine, table):
    """A partition of 5,000 items, `0000` to `4999`."""
    client = engine.client("dynamodb")
    for first in range(0, 5000, 25):
        requests = [
            {"PutRequest": {"Item": {"pk": {"S": "large"}, "sk": {"S": f"{n:04}"}, "n": {"N": str(n)}}}}
            for n in range(first, first + 25)
        ]
        client.batch_write_item(RequestItems={table[0]: requests})
    return "large"


def query(engine, table, condition, *, values=None, **settings):
    values = {":pk": {"S": "large"}, **{name: {"S": value} for name, value in (values or {}).items()}}
    answer = engine.client("dynamodb").query(
        TableName=table[0], KeyConditionExpression=condition, ExpressionAttributeValues=values, **settings
    )
    return [item["sk"]["S"] for item in answer["Items"]], answer.get("LastEvaluatedKey")


def test_the_template_sets_expiry_and_recovery(engine, table):
    client = engine.client("dynamodb")
    ttl = client.describe_time_to_live(TableName=table[0])["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    backups = client.describe_continuous_backups(TableName=table[0])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_an_item_that_expires_goes_and_the_stream_says_that_the_service_did_it(engine, table):
    client = engine.client("dynamodb")
    queue = engine.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    listener = engine.function(
        """
        import boto3, json, os

        def handler(event, context):
            for record in event["Records"]:
                boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(record))
        """,
        Environment={"Variables": {"QUEUE": queue}},
    )
    engine.client("lambda").create_event_source_mapping(
        FunctionName=listener, EventSourceArn=table[1], StartingPosition="LATEST",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"eventName": ["REMOVE"]})}]},
    )  # fmt: skip
    key = {"pk": {"S": uuid.uuid4().hex}, "sk": {"S": "gone"}}
    kept = {**key, "sk": {"S": "kept"}}
    client.put_item(TableName=table[0], Item={**kept, "expires_at": {"N": str(int(time.time()) + 60)}})
    client.put_item(TableName=table[0], Item={**key, "expires_at": {"N": str(int(time.time()) - 1)}})
    (message,) = eventually(lambda: engine.client("sqs").receive_message(QueueUrl=queue).get("Messages"))
    record = json.loads(message["Body"])
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert record["dynamodb"]["OldImage"]["sk"] == {"S": "gone"}
    assert "Item" not in client.get_item(TableName=table[0], Key=key)
    assert "Item" in client.get_item(TableName=table[0], Key=kept)


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("pk = :pk", {}, ["0000", "0001", "0002"]),
        ("pk = :pk AND sk > :a", {":a": "1234"}, ["1235", "1236", "1237"]),
        ("pk = :pk AND sk >= :a", {":a": "1234"}, ["1234", "1235", "1236"]),
        ("pk = :pk AND sk BETWEEN :a AND :b", {":a": "0010", ":b": "0011"}, ["0010", "0011"]),
        ("pk = :pk AND begins_with(sk, :a)", {":a": "49"}, ["4900", "4901", "4902"]),
        ("(pk = :pk) AND (sk < :a)", {":a": "0002"}, ["0000", "0001"]),
        ("sk = :a AND pk = :pk", {":a": "0007"}, ["0007"]),
    ],
)
def test_each_form_of_a_key_condition_finds_its_items(engine, table, partition, condition, values, expected):
    assert query(engine, table, condition, values=values, Limit=3)[0] == expected


def test_pages_follow_one_another_in_both_directions(engine, table, partition):
    first, key = query(engine, table, "pk = :pk", Limit=2, ScanIndexForward=False)
    second, _ = query(engine, table, "pk = :pk", Limit=2, ScanIndexForward=False, ExclusiveStartKey=key)
    assert first + second == ["4999", "4998", "4997", "4996"]


def test_a_filter_counts_what_it_leaves_out(engine, table, partition):
    answer = engine.client("dynamodb").query(
        TableName=table[0],
        KeyConditionExpression="pk = :pk",
        FilterExpression="n >= :n AND attribute_exists(n)",
        ExpressionAttributeValues={":pk": {"S": "large"}, ":n": {"N": "5"}},
        Limit=10,
    )
    assert (answer["Count"], answer["ScannedCount"]) == (5, 10)


def test_a_condition_that_is_none_is_refused(engine, table, partition):
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError, match="ValidationException"):
            query(engine, table, "pk = :pk AND sk >> :a", values={":a": "1"})


def test_a_page_of_a_large_partition_takes_milliseconds(engine, table, partition):
    def page():
        query(engine, table, "pk = :pk AND begins_with(sk, :a)", values={":a": "49"}, Limit=10)

    assert quickest(page, 20) < 0.05  # the stock engine needs 150-200 ms
