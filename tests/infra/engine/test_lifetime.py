"""The engine starts, ends and starts again without losing what it was told (__main__, saved_state, bounded_memory)."""

import json
import os
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from .conftest import ROLE, Engine, eventually, zipped

LISTENER = """
    import boto3, os

    def handler(event, context):
        for record in event["Records"]:
            boto3.client("sqs").send_message(
                QueueUrl=os.environ["QUEUE"], MessageBody=record["dynamodb"]["NewImage"]["pk"]["S"])
"""


@pytest.fixture
def mortal(tmp_path):
    """An engine of one's own, that saves ten times a second."""
    running = Engine(tmp_path, ENGINE_SAVE_SECONDS="0.1")
    yield running
    if running.process.poll() is None:
        running.stop()


def workers_of(engine):
    return psutil.Process(engine.process.pid).children(recursive=True)


def test_another_version_of_the_engine_is_refused_in_one_sentence(monkeypatch):
    import infra.local.engine as package

    package.check_version()
    assert version("ministack") == package.PINNED
    monkeypatch.setattr(package, "version", lambda name: "1.5.34")
    with pytest.raises(package.WrongEngineError, match=r"ministack 1\.5\.34 is installed.*fit 1\.5\.33 only.*pip"):
        package.check_version()


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "infra.local.engine", "--port", port, "--data", str(tmp_path)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert found.returncode == 2
    assert found.stderr == f"The local AWS engine cannot start: port {port} is in use on 127.0.0.1.\n"


def test_it_answers_on_the_loopback_interface_only(engine):
    ports = {(address.laddr.ip, address.laddr.port) for address in psutil.Process(engine.process.pid).net_connections()}
    assert {ip for ip, port in ports if port == engine.port} == {"127.0.0.1"}


def test_nothing_of_the_environment_of_the_developer_reaches_a_function(tmp_path):
    running = Engine(tmp_path, AWS_PROFILE="production", HTTP_PROXY="http://proxy.example", SECRET_OF_MINE="1")
    try:
        name = running.function("import os\nhandler = lambda event, context: dict(os.environ)")
        seen, _ = running.invoke(name)
    finally:
        running.stop()
    assert not {"AWS_PROFILE", "HTTP_PROXY", "SECRET_OF_MINE"} & seen.keys()
    assert seen["AWS_ENDPOINT_URL"] == running.url


def test_after_a_kill_no_process_stays_and_the_next_start_has_everything(mortal):
    dynamodb, sqs = mortal.client("dynamodb"), mortal.client("sqs")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    layer = mortal.client("lambda").publish_layer_version(
        LayerName="shared", Content={"ZipFile": zipped({"python/shared.py": "ANSWER = 42\n"})}
    )["LayerVersionArn"]
    name = mortal.function("import shared\nhandler = lambda event, context: shared.ANSWER", Layers=[layer])
    listener = mortal.function(LISTENER, Environment={"Variables": {"QUEUE": queue}})
    stream = dynamodb.create_table(
        TableName="rentals", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]  # fmt: skip
    mapping = mortal.client("lambda").create_event_source_mapping(
        FunctionName=listener, EventSourceArn=stream, StartingPosition="LATEST", BatchSize=1
    )["UUID"]

    def heard():
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]

    for pk in ("one", "two"):
        dynamodb.put_item(TableName="rentals", Item={"pk": {"S": pk}})
        assert eventually(heard) == [pk]
    mortal.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    dynamodb.put_item(TableName="rentals", Item={"pk": {"S": "unheard"}})
    assert mortal.invoke(name)[0] == 42
    state = mortal.data / "state"
    eventually(lambda: "unheard" in (state / "dynamodb.json").read_text())
    eventually(lambda: '"Enabled": false' in (state / "lambda.json").read_text())
    assert "shared.py" not in (state / "lambda.json").read_text()
    assert (state / "lambda.json").stat().st_size < 50_000  # code and layers lie beside it
    workers = workers_of(mortal)
    assert len(workers) >= 3

    mortal.kill()
    eventually(lambda: not [one for one in workers if one.is_running() and one.status() != psutil.STATUS_ZOMBIE])

    mortal.start()
    assert mortal.invoke(name)[0] == 42
    assert dynamodb.scan(TableName="rentals")["Count"] == 3
    mortal.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
    assert eventually(heard) == ["unheard"]  # and not what was heard before
    dynamodb.put_item(TableName="rentals", Item={"pk": {"S": "new"}})
    assert eventually(heard) == ["new"]


def test_a_graceful_stop_saves_and_leaves_no_process(mortal):
    mortal.client("dynamodb").create_table(
        TableName="kept", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )  # fmt: skip
    mortal.invoke(mortal.function("handler = lambda event, context: 1"))
    workers = workers_of(mortal)
    started = time.monotonic()
    mortal.stop()
    assert time.monotonic() - started < 5
    eventually(lambda: not [one for one in workers if one.is_running() and one.status() != psutil.STATUS_ZOMBIE])
    assert not (mortal.data / "engine.json").exists()
    mortal.start()
    assert mortal.client("dynamodb").list_tables()["TableNames"] == ["kept"]


def test_a_rule_that_was_due_while_the_engine_was_down_fires_at_the_start(mortal):
    sqs, events = mortal.client("sqs"), mortal.client("events")
    queue = sqs.create_queue(QueueName="beats")["QueueUrl"]
    machine = mortal.client("stepfunctions").create_state_machine(
        name="beat", roleArn=ROLE, type="EXPRESS", definition=json.dumps({
            "StartAt": "Tell", "States": {"Tell": {
                "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True,
                "Parameters": {"QueueUrl": queue, "MessageBody": "beat"}}}}),
    )["stateMachineArn"]  # fmt: skip
    events.put_rule(Name="beat", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="beat", Targets=[{"Id": "1", "Arn": machine, "RoleArn": ROLE}])
    mortal.stop()
    saved = mortal.data / "state" / "eventbridge.json"
    rules = json.loads(saved.read_text())
    for rule in rules["payload"]["rules"]["data"].values():
        rule["CreationTime"] -= 120
    saved.write_text(json.dumps(rules))
    mortal.start()
    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    assert message["Body"] == "beat"


def test_the_beats_of_a_rate_stay_a_minute_apart_however_late_the_clock_is_read():
    from infra.local.engine.patches.event_targets import on_the_beat

    assert on_the_beat(100.0, 168.0, 60) == 160.0
    assert on_the_beat(160.0, 221.0, 60) == 220.0
    assert on_the_beat(100.0, 100.0, 60) == 100.0


def test_the_log_of_a_function_is_one_stream_with_its_last_lines(engine):
    name = engine.function("def handler(event, context):\n    for n in range(500): print('line', n)")
    for _ in range(12):
        engine.invoke(name)
    logs = engine.client("logs")
    group = f"/aws/lambda/{name}"
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    kept, token = [], None
    while True:
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True,
            **({"nextToken": token} if token else {}),
        )  # fmt: skip
        if page["nextForwardToken"] == token:
            break
        kept += page["events"]
        token = page["nextForwardToken"]
    assert 3000 <= len(kept) <= 3750
    assert kept[-1]["message"].startswith("REPORT")


def test_finished_express_executions_are_forgotten_in_time(engine):
    client = engine.client("stepfunctions")
    machine = client.create_state_machine(
        name="many", roleArn=ROLE, type="EXPRESS",
        definition=json.dumps({"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}),
    )["stateMachineArn"]  # fmt: skip
    arns = [client.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(200)]
    eventually(lambda: client.describe_execution(executionArn=arns[-1])["status"] == "SUCCEEDED")
    client.start_execution(stateMachineArn=machine)
    assert len(client.list_executions(stateMachineArn=machine)["executions"]) <= 126


def test_a_worker_needs_nothing_but_the_standard_library():
    """A function sees what its package and its layers bring, not what the engine happens to use."""
    import infra.local.engine.worker as worker

    source = Path(worker.__file__)
    command = [sys.executable, "-P", "-E", "-S", "-c", f"import runpy; runpy.run_path({str(source)!r})"]
    assert subprocess.run(command, capture_output=True, env={"PATH": os.environ["PATH"]}).returncode == 0
