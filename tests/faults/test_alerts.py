"""Each call to AWS on the way from PricesUpdated to PriceAlertTriggered, and from there to a user, in turn fails before
it, fails after it took effect, or never answers. After the retries that AWS would do every alert has fired once, and
its user was told once by each channel: by mail and push once more only where nobody can know whether it had left.
"""

import importlib
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from gpubroker.composition import alerts as composition
from gpubroker.composition import notifications
from gpubroker.delivery.notifications.inbox import Inbox
from gpubroker.delivery.notifications.ports import Address
from gpubroker.delivery.notifications.telling import Teller
from gpubroker.kernel.caller import Plan
from gpubroker.messaging.mail import Mail
from gpubroker.prices.alerts import matching
from gpubroker.prices.alerts.alert import Alert
from gpubroker.prices.alerts.repository import Alerts
from gpubroker.storage import table as storage_table
from infra.rules import templates
from tests.faults.driver import Killed, empty
from tests.faults.states import Promise, Routine, Sleep, StateError, Surroundings, cause_of, run
from tests.unit.prices.alerts.making import NOW, an_alert, an_update

MACHINE = templates.definition(templates.ROOT / "statemachines" / "prices" / "price_change_to_notifications.asl.yaml")
MODES = ("before", "after", "hang", "lost")
RECEIVES = 5
TABLES = {"PRICES_TABLE": "prices-under-faults", "DELIVERY_TABLE": "delivery-under-faults"}


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkey, mock_aws():
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
            monkey.delenv(name, raising=False)
        known = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
        known |= {"AWS_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": "alerts", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        known |= {"PRICE_CHANGE_TO_NOTIFICATIONS_STATE_MACHINE": "the-machine"}
        for name, value in (known | TABLES).items():
            monkey.setenv(name, value)
        storage_table._shared.cache_clear()
        for name in TABLES.values():
            boto3.client("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            )
        yield
        storage_table._shared.cache_clear()


@dataclass
class World:
    """AWS around the functions: calls that may fail, queues that bring a message again, the state machine."""

    fault: tuple[int, str] | None = None
    calls: list[str] = field(default_factory=list)
    executions: dict[str, str] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    pushes: list[str] = field(default_factory=list)
    now: Any = NOW
    armed: bool = False

    def call(self, what: str, effect: Callable[[], Any]) -> Any:
        if not self.armed:
            return effect()
        self.calls.append(what)
        if self.fault is None or self.fault[0] != len(self.calls) - 1:
            return effect()
        mode = self.fault[1]
        if mode in ("after", "lost"):
            effect()
        if mode in ("hang", "lost"):
            raise Killed
        raise EndpointConnectionError(endpoint_url=what) if mode == "before" else ReadTimeoutError(endpoint_url=what)

    def aws(self, client: Any, operation: str, arguments: Any, real: Callable[..., Any]) -> Any:
        def effect() -> Any:
            if operation != "StartExecution":
                return real(client, operation, arguments)
            if arguments["name"] in self.executions:
                error = {"Error": {"Code": "ExecutionAlreadyExists", "Message": "simulated"}}
                raise client.exceptions.ExecutionAlreadyExists(error, operation)
            self.executions[arguments["name"]] = arguments["input"]
            return {}

        return self.call(operation, effect)

    def function(self, name: str, event: Any) -> Any:
        handler = importlib.import_module(name).handler
        try:
            return json.loads(json.dumps(handler(event, None)))
        except Killed:
            raise StateError("Sandbox.Timedout", "Task timed out") from None
        except Exception as error:
            raise StateError(type(error).__name__, cause_of(error)) from error

    def queue(self, name: str, body: Any) -> None:
        """A message in a function's queue, until it is done or dead."""
        text = body if isinstance(body, str) else json.dumps(body)
        empty_ = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
        record = {"messageId": "m", "receiptHandle": "r", "body": text, "attributes": {}, "messageAttributes": {}}
        for _ in range(RECEIVES):
            try:
                if not self.function(name, {"Records": [record | empty_]})["batchItemFailures"]:
                    return
            except StateError:
                pass
            self.now += timedelta(minutes=3)  # the visibility timeout
        self.dead.append(text)

    def settle(self) -> None:
        """What was started, to its end; and what it put aside."""
        functions = {"${FireAlertsFunctionArn}": "prices.fire_alerts"}

        def send(queue: str, message: Any) -> None:
            assert queue == "${LateAlertQueueUrl}"
            self.aside.append(json.dumps(message))

        around = Surroundings(
            lambda reference, payload: self.function(functions[reference], payload),
            spawn,
            lambda promise: None,
            _no_token,
            send,
        )
        for wanted in self.executions.values():
            result = spawn(run(MACHINE, json.loads(wanted), around))
            assert result.error is None, result.error
        while self.aside:
            self.queue("prices.fire_late_alerts", self.aside.pop())

    # ------------------------------------------------------------ in the place of SES, SNS, identity and the market

    def send(self, mail: Mail) -> str:
        return str(self.call("SendEmail", lambda: self.mails.append(mail) or "mail-1"))  # type: ignore[func-returns-value]

    def publish(self, user_id: str, title: str, text: str, payload: dict[str, object]) -> str:
        return str(self.call("Publish", lambda: self.pushes.append(title) or "push-1"))  # type: ignore[func-returns-value]

    def address_of(self, user_id: str) -> Address:
        return Address("ada@example.com", True)

    def price_of(self, offer_id: str) -> int | None:
        return None


def spawn(routine: Routine) -> Promise:
    """Run a routine of the state machine to its end; its waits take no time here."""
    promise, value = Promise(), None
    while True:
        try:
            wanted = routine.send(value)
        except StopIteration as stop:
            promise.resolve(stop.value)
            return promise
        except StateError as error:
            promise.resolve(error=error)
            return promise
        value = None if isinstance(wanted, Sleep) else wanted.promise.done


def _no_token() -> tuple[str, Promise]:
    raise AssertionError("no state of this machine waits for a token")


@contextmanager
def installed(world: World) -> Iterator[World]:
    empty()
    factories = (composition.alert_matcher, composition.alert_firing, notifications.teller)
    for factory in factories:
        factory.cache_clear()
    real = botocore.client.BaseClient._make_api_call
    teller = Teller(inbox=Inbox(), addresses=world, mail=world, push=world, clock=lambda: world.now)  # type: ignore[arg-type]
    with (
        patch.object(
            botocore.client.BaseClient,
            "_make_api_call",
            lambda client, name, given: world.aws(client, name, given, real),
        ),
        patch.object(composition, "alert_market", lambda: world),
        patch.object(notifications, "teller", lambda: teller),
        patch("gpubroker.kernel.time.utc_now", lambda: world.now),
        patch("time.sleep", lambda _: None),
    ):
        yield world
    for factory in factories:
        factory.cache_clear()


def fall(world: World, number: int) -> list[Alert]:
    """So many alerts, and a change that fires them all."""
    store = Alerts(clock=lambda: world.now)
    alerts = [an_alert(alert_id=f"alr_{n:026d}") for n in range(number)]
    for alert in alerts:
        store.create(alert, (), Plan.PRO, idempotency=None, answer={})
    world.armed = True
    detail = {"updates": [an_update(2_000_000, 1_400_000)], "event_id": "evt_1", "traceparent": None}
    world.queue("prices.match_alerts", {"detail": detail})
    world.settle()
    world.armed = False
    return [store.of(alert.tenant, alert.alert_id) for alert in alerts]


def few(world: World) -> list[Alert]:
    return fall(world, 3)


def many(world: World) -> list[Alert]:
    with patch.object(matching, "FEW", 2), patch.object(matching, "MANY_PER_STEP", 2):
        return fall(world, 5)


def facts() -> list[dict[str, Any]]:
    items = boto3.resource("dynamodb").Table(TABLES["PRICES_TABLE"]).scan()["Items"]
    return [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]


def check(alerts: list[Alert], world: World, what: object) -> None:
    assert [alert.crossings for alert in alerts] == [1] * len(alerts), what
    assert sorted(fact["subject"] for fact in facts()) == [alert.alert_id for alert in alerts], what
    assert world.dead == [], what
    assert len(world.executions) == 1, what


@pytest.mark.parametrize("scenario", [few, many])
def test_each_alert_fires_once_whichever_call_fails(scenario: Callable[[World], list[Alert]]) -> None:
    with installed(World()) as world:
        check(scenario(world), world, "nothing fails")
        calls = world.calls
    assert calls.count("TransactWriteItems") == (3 if scenario is few else 5)
    for number, mode in itertools.product(range(len(calls)), MODES):
        with installed(World(fault=(number, mode))) as world:
            check(scenario(world), world, (number, mode, calls[number]))


def test_a_step_that_never_works_is_put_aside_and_the_other_pages_are_fired() -> None:
    with installed(World()) as world:
        firing = importlib.import_module("prices.fire_alerts")
        real, tries = firing.handler, itertools.count(1)

        def failing(event: Any, context: Any) -> Any:
            if event["page"] == 1:
                next(tries)
                raise ConnectionError("not this one")
            return real(event, context)

        with patch.object(firing, "handler", failing):
            alerts = many(world)
        check(alerts, world, "put aside")
        assert next(tries) - 1 == 4  # the step and its three retries; then the queue


def telling(world: World) -> None:
    event = json.loads((templates.ROOT / "events" / "prices" / "PriceAlertTriggered.v1.json").read_text())
    world.armed = True
    world.queue("delivery.tell_notices", event)
    world.queue("delivery.tell_notices", event)
    world.armed = False


def test_a_user_is_told_once_by_each_channel_whichever_call_fails() -> None:
    with installed(World()) as world:
        telling(world)
        calls = world.calls
    assert calls[: calls.index("Publish") + 2] == [
        "GetItem",
        "TransactWriteItems",
        "PutItem",
        "SendEmail",
        "PutItem",
        "PutItem",
        "Publish",
        "PutItem",
    ]
    for number, mode in itertools.product(range(len(calls)), MODES):
        with installed(World(fault=(number, mode))) as world:
            telling(world)
            what = (number, mode, calls[number])
            sent = number > 0 and calls[number - 1] in ("SendEmail", "Publish")  # the mark behind it was lost
            unknown = sent or (calls[number] in ("SendEmail", "Publish") and mode in ("after", "lost"))
            user_id = "usr_01KSCN0000000000000000000A"
            assert len(Inbox().newest_of(user_id, 5, now=world.now)) == 1, what
            assert len(world.mails) + len(world.pushes) in ((2, 3) if unknown else (2,)), what
            assert len(world.mails) >= 1, what
            assert len(world.pushes) >= 1, what
            assert world.dead == [], what
