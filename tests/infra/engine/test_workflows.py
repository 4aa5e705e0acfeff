"""Step Functions waits, retries and gives up as on AWS (patch workflows)."""

import json
import time
import uuid

import pytest

from .conftest import ROLE, eventually

ASK = "arn:aws:states:::lambda:invoke.waitForTaskToken"


@pytest.fixture(scope="session")
def ask(engine):
    """A function that passes its task token on to the queue named in the event, or fails."""
    return engine.function(
        """
        import boto3, json

        class NoCapacity(Exception):
            pass

        def handler(event, context):
            if event.get("fail"):
                raise NoCapacity("sold out")
            boto3.client("sqs").send_message(QueueUrl=event["queue"], MessageBody=event["token"])
        """
    )


@pytest.fixture
def tokens(engine):
    """(queue URL, next token) of a new queue."""
    client = engine.client("sqs")
    url = client.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]

    def take():
        for message in client.receive_message(QueueUrl=url).get("Messages", []):
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return message["Body"]
        return None

    return url, lambda: eventually(take)


@pytest.fixture
def start(engine):
    """Start an execution of these states; the function that waits for its end."""
    client = engine.client("stepfunctions")

    def start(states, event=None, *, kind="STANDARD", **top):
        machine = client.create_state_machine(
            name=f"m-{uuid.uuid4().hex[:8]}",
            definition=json.dumps({"StartAt": next(iter(states)), "States": states, **top}),
            roleArn=ROLE,
            type=kind,
        )["stateMachineArn"]
        arn = client.start_execution(stateMachineArn=machine, input=json.dumps(event or {}))["executionArn"]

        def ended():
            def look():
                found = client.describe_execution(executionArn=arn)
                return found["status"] != "RUNNING" and found

            return eventually(look)

        ended.arn = arn
        ended.machine = machine
        return ended

    return start


def asking(function, queue="", **settings):
    payload = {"token.$": "$$.Task.Token", "queue": queue} if queue else {"fail": True}
    return {
        "Type": "Task",
        "Resource": ASK,
        "Parameters": {"FunctionName": function, "Payload": payload},
        "TimeoutSeconds": 20,
        "End": True,
        **settings,
    }


def test_a_function_that_fails_before_the_callback_fails_the_task_at_once_with_its_error(start, ask):
    caught = {"ErrorEquals": ["NoCapacity"], "ResultPath": "$.failure", "Next": "Undo"}
    found = start({"Ask": asking(ask, Catch=[caught]), "Undo": {"Type": "Pass", "End": True}})()
    assert found["status"] == "SUCCEEDED"
    failure = json.loads(found["output"])["failure"]
    assert failure["Error"] == "NoCapacity"
    assert json.loads(failure["Cause"])["errorMessage"] == "sold out"


def test_a_token_works_once_and_a_late_or_invented_one_is_refused(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    ended = start({"Ask": asking(ask, tokens[0])})
    token = tokens[1]()
    client.send_task_success(taskToken=token, output='{"ready": true}')
    assert json.loads(ended()["output"]) == {"ready": True}
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=token, output="{}")
    with pytest.raises(client.exceptions.InvalidToken):
        client.send_task_failure(taskToken="invented")


def test_output_that_is_no_json_is_refused_and_the_task_goes_on(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    ended = start({"Ask": asking(ask, tokens[0])})
    token = tokens[1]()
    with pytest.raises(client.exceptions.InvalidOutput):
        client.send_task_success(taskToken=token, output="ready")
    client.send_task_failure(taskToken=token, error="Refused", cause="by the provider")
    found = ended()
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "Refused", "by the provider")


def test_a_task_without_heartbeats_ends_and_one_with_them_goes_on(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    ended = start({"Ask": asking(ask, tokens[0], HeartbeatSeconds=1)})
    token = tokens[1]()
    until = time.monotonic() + 1.6
    while time.monotonic() < until:
        client.send_task_heartbeat(taskToken=token)
        time.sleep(0.2)
    assert client.describe_execution(executionArn=ended.arn)["status"] == "RUNNING"
    found = ended()
    assert (found["status"], found["error"]) == ("FAILED", "States.HeartbeatTimeout")


def test_each_attempt_has_its_own_token(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    again = [{"ErrorEquals": ["Refused"], "IntervalSeconds": 1, "MaxDelaySeconds": 1, "JitterStrategy": "FULL"}]
    ended = start({"Ask": asking(ask, tokens[0], Retry=again)})
    first = tokens[1]()
    client.send_task_failure(taskToken=first, error="Refused")
    second = tokens[1]()
    assert second != first
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=first, output='"late"')
    client.send_task_success(taskToken=second, output='"in time"')
    assert json.loads(ended()["output"]) == "in time"


def test_branches_side_by_side_wait_for_their_own_tokens(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    branch = {"StartAt": "Ask", "States": {"Ask": asking(ask, tokens[0])}}
    ended = start({"Both": {"Type": "Parallel", "Branches": [branch] * 6, "End": True}})
    found = {tokens[1]() for _ in range(6)}
    assert len(found) == 6
    for number, token in enumerate(found):
        client.send_task_success(taskToken=token, output=str(number))
    assert sorted(json.loads(ended()["output"])) == list(range(6))


def test_a_workflow_over_its_own_time_ends_as_timed_out(start, ask, tokens):
    found = start({"Ask": asking(ask, tokens[0])}, TimeoutSeconds=1)()
    assert found["status"] == "TIMED_OUT"


def test_an_aborted_workflow_waits_for_no_token(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    ended = start({"Ask": asking(ask, tokens[0])})
    token = tokens[1]()
    client.stop_execution(executionArn=ended.arn, cause="no longer wanted")

    def refused():
        try:
            client.send_task_heartbeat(taskToken=token)
        except client.exceptions.TaskTimedOut:
            return True

    eventually(refused)
    assert ended()["status"] == "ABORTED"


def test_starting_a_running_execution_again_with_the_same_input_is_the_same_execution(engine, start, ask, tokens):
    client = engine.client("stepfunctions")
    machine = start({"Ask": asking(ask, tokens[0])}).machine
    first = client.start_execution(stateMachineArn=machine, name="rental-1", input='{"a": 1}')
    again = client.start_execution(stateMachineArn=machine, name="rental-1", input='{"a": 1}')
    assert first["executionArn"] == again["executionArn"]
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name="rental-1", input='{"a": 2}')


def test_express_workflows_share_names(engine, start):
    client = engine.client("stepfunctions")
    machine = start({"Pass": {"Type": "Pass", "End": True}}, kind="EXPRESS").machine
    arns = {client.start_execution(stateMachineArn=machine, name="beat")["executionArn"] for _ in range(2)}
    assert len(arns) == 2


def test_an_error_of_the_workflow_itself_is_not_caught_by_all(start):
    lost = {"Type": "Task", "Resource": "arn:aws:states:::nobody:knows", "End": True}
    lost["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]
    found = start({"Lost": lost, "Undo": {"Type": "Pass", "End": True}})()
    assert (found["status"], found["error"]) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize(
    ("retrier", "longest"),
    [({"MaxDelaySeconds": 5}, 5.0), ({"MaxDelaySeconds": 5, "JitterStrategy": "FULL"}, 5.0), ({}, 64.0)],
)
def test_the_delay_of_a_retry_grows_up_to_its_limit(retrier, longest):
    from infra.local.engine.patches.workflows import delay

    delays = [delay({"IntervalSeconds": 2, "BackoffRate": 2.0, **retrier}, 5) for _ in range(50)]
    assert max(delays) <= longest
    assert (len(set(delays)) > 1) == ("JitterStrategy" in retrier)
