"""Events reach Lambda, Kinesis and state machines as on AWS (patch event_targets)."""

import json
import uuid

import pytest

from .conftest import ROLE, eventually


@pytest.fixture
def queue(engine):
    client = engine.client("sqs")
    url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def message():
        found = client.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
        return found and found[0]

    return arn, message


@pytest.fixture
def publish(engine):
    """Give a target to a new rule and publish one event that matches it."""

    def publish(**target):
        source = f"test.{uuid.uuid4().hex[:8]}"
        events = engine.client("events")
        events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
        events.put_targets(Rule=source, Targets=[{"Id": "1", **target}])
        events.put_events(Entries=[{"Source": source, "DetailType": "Asked", "Detail": json.dumps({"rental": "r-1"})}])

    return publish


def arn_of(engine, function):
    return engine.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]


def test_a_failing_function_is_tried_twice_more_and_then_its_destination_hears(engine, queue, publish):
    function = engine.function("def handler(event, context):\n    raise TimeoutError('no answer')")
    engine.client("lambda").put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": queue[0]}}
    )
    publish(Arn=arn_of(engine, function))
    message = json.loads(eventually(queue[1])["Body"])
    assert message["requestContext"]["condition"] == "RetriesExhausted"
    assert message["requestContext"]["approximateInvokeCount"] == 3
    assert message["requestPayload"]["detail"] == {"rental": "r-1"}
    assert message["responsePayload"]["errorType"] == "TimeoutError"
    streams = engine.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    assert sum("START RequestId" in event["message"] for event in streams) == 3


def test_the_dead_letter_queue_of_a_function_gets_the_event_itself(engine, queue, publish):
    function = engine.function(
        "def handler(event, context):\n    raise TimeoutError('no answer')", DeadLetterConfig={"TargetArn": queue[0]}
    )
    publish(Arn=arn_of(engine, function))
    message = eventually(queue[1])
    assert json.loads(message["Body"])["detail"] == {"rental": "r-1"}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no answer"


def test_an_event_for_nobody_goes_to_the_dead_letter_queue_of_the_target(engine, queue, publish):
    publish(Arn="arn:aws:lambda:us-east-1:000000000000:function:gone", DeadLetterConfig={"Arn": queue[0]})
    message = eventually(queue[1])
    assert json.loads(message["Body"])["detail"] == {"rental": "r-1"}
    assert message["MessageAttributes"]["TARGET_ARN"]["StringValue"].endswith(":gone")


def test_a_kinesis_target_gets_the_event_under_the_key_that_the_path_names(engine, publish):
    kinesis = engine.client("kinesis")
    name = f"k-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    stream = eventually(
        lambda: (
            (found := kinesis.describe_stream(StreamName=name)["StreamDescription"])["StreamStatus"] == "ACTIVE"
            and found
        )
    )
    publish(
        Arn=stream["StreamARN"],
        KinesisParameters={"PartitionKeyPath": "$.detail.rental"},
        InputPath="$.detail",
    )
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId=stream["Shards"][0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    (record,) = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert record["PartitionKey"] == "r-1"
    assert json.loads(record["Data"]) == {"rental": "r-1"}


WAITING = {
    "StartAt": "Wait",
    "States": {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Tell"}, "Tell": {"Type": "Task", "End": True}},
}


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_a_rule_starts_state_machines_of_both_kinds_and_their_waits_end(engine, queue, publish, kind):
    url = engine.client("sqs").get_queue_url(QueueName=queue[0].rsplit(":", 1)[1])["QueueUrl"]
    machine = json.loads(json.dumps(WAITING))
    machine["States"]["Tell"] |= {
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody.$": "$.detail.rental"},
    }
    arn = engine.client("stepfunctions").create_state_machine(
        name=f"m-{uuid.uuid4().hex[:8]}", definition=json.dumps(machine), roleArn=ROLE, type=kind
    )["stateMachineArn"]
    publish(Arn=arn, RoleArn=ROLE)
    assert eventually(queue[1])["Body"] == "r-1"
