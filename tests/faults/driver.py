"""AWS around our code, in one process and in virtual time: functions with their retries, the bus, the queue, the state
machines, as infra/rentals.yaml and statemachines/rentals say. Every call to AWS or a provider can be made to fail.
"""

import heapq
import importlib
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import botocore.client
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from gpubroker.composition import rentals as composition
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.accounts import CLEARING
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.rentals.ports import NoCapacity, ProviderUnavailable
from gpubroker.rentals.requests import RentalRequest, ScaleRequest
from gpubroker.rentals.views import RentalView
from infra.rules import templates
from tests.faults.providers import Providers
from tests.faults.states import Promise, Routine, Sleep, StateError, Surroundings, Until, cause_of, run

TEMPLATE = templates.ROOT / "infra" / "rentals.yaml"
PAID_IN = 1_000_000_000
"""Micro-dollars that whoever rents has on the account."""
START = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)
MACHINES = ("RequestToReadyStateMachine", "ScalingStateMachine", "ReadyToEndedStateMachine")


Asked = TypeVar("Asked")


class Killed(BaseException):
    """A function that ran out of time: no `except Exception` sees it."""


class Refused(Exception):
    """An AWS service says no, with this error code."""


@dataclass
class Fault:
    """The call to fail, counted from 0 among those of a phase, and how.

    before, after   an error comes back, without or with the effect
    hang, lost      no answer comes back and the function's time runs out, without or with the effect
    refused_after   the provider says "no capacity" and has made the instance all the same (creates only)
    ignored         the provider accepts the call and does nothing (ends only)
    away            from this call on the provider fails every call, for twenty minutes
    """

    number: int
    mode: str


@dataclass
class World:
    """One account, its providers, and a clock that only moves when nothing else can happen."""

    template_path: ClassVar[Path] = TEMPLATE
    machine_names: ClassVar[tuple[str, ...]] = MACHINES
    context: ClassVar[str] = "rentals"

    now: datetime = START
    faults: tuple[Fault, ...] = ()
    calls: list[str] = field(default_factory=list)
    armed: bool = False
    struck: str | None = None
    away_until: datetime | None = None
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.providers = Providers(lambda: self.now)
        self.compute = _Faulty(self, self.providers)
        self.template = templates.load(self.template_path)["Resources"]
        self.executions: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.tokens: dict[str, Promise] = {}
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._cancelled: set[int] = set()
        self._machines = {
            name: templates.definition(self.template_path.parent / self.template[name]["Properties"]["DefinitionUri"])
            for name in self.machine_names
        }

    # ------------------------------------------------------------ time

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + timedelta(seconds=seconds), next(self._order), action))

    def settle(self, *, within: timedelta = timedelta(hours=3)) -> None:
        """Let everything happen that will happen by itself."""
        until = self.now + within
        while self._queue and self._queue[0][0] <= until:
            moment, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, moment)
            action()

    def advance(self, **span: float) -> None:
        """Time passes; what was due in it happens."""
        until = self.now + timedelta(**span)
        self.settle(within=timedelta(**span))
        self.now = max(self.now, until)

    def restart(self) -> None:
        """Everything in flight is gone: executions, messages, retries. What is stored is not."""
        self._queue.clear()
        self.executions = dict.fromkeys(self.executions, "ABORTED")

    def sweep(self, *, providers: tuple[str, ...] = ("vastai", "runpod")) -> None:
        """What the schedules would do now, and what follows from it."""
        self.function("SweepDueFunction", {})
        for provider in providers:
            self.function("SweepProviderFunction", {"provider": provider})
        self.settle()

    # ------------------------------------------------------------ functions

    def function(self, name: str, event: Any) -> Any:
        """Invoke a function of the template synchronously; its failure is a StateError."""
        module, _, attribute = self.template[name]["Properties"]["Handler"].rpartition(".")
        handler = getattr(importlib.import_module(module), attribute)
        try:
            return json.loads(json.dumps(handler(event, None)))
        except Killed:
            raise StateError("Sandbox.Timedout", "Task timed out after 30.00 seconds") from None
        except Exception as error:
            self.log.append(f"{name}: {type(error).__name__}: {error}")
            raise StateError(type(error).__name__, cause_of(error)) from error

    def later(self, name: str, event: Any, *, tries: int, seconds: float = 0, again: float = 60) -> None:
        """Invoke a function asynchronously, with so many tries; what it reports as failed counts as failed."""

        def attempt(left: int) -> None:
            try:
                answer = self.function(name, event)
            except StateError:
                answer = None
            failed = answer is None or (isinstance(answer, dict) and answer.get("batchItemFailures"))
            if failed and left > 1:
                self.at(again, lambda: attempt(left - 1))

        def first() -> None:
            attempt(tries)

        self.at(seconds, first)

    # ------------------------------------------------------------ state machines

    def execute(self, machine: str, name: str, data: Any) -> None:
        if name in self.executions:
            raise Refused("ExecutionAlreadyExists")
        self.executions[name] = "RUNNING"
        substitutions = self.template[machine]["Properties"]["DefinitionSubstitutions"]
        functions = {key: value["Fn::GetAtt"] for key, value in substitutions.items()}

        def invoke(reference: str, payload: Any) -> Any:
            target = functions[reference.removeprefix("${").removesuffix("}")]
            return self.function(target[0] if isinstance(target, list) else target.partition(".")[0], payload)

        around = Surroundings(invoke, self.spawn, self.cancel, self._new_token)
        promise = self.spawn(run(self._machines[machine], data, around))
        promise.waiting.append(lambda: self._finished(name, promise))

    def _finished(self, name: str, promise: Promise) -> None:
        self.executions[name] = "SUCCEEDED" if promise.error is None else f"FAILED {promise.error}"

    def _new_token(self) -> tuple[str, Promise]:
        token, promise = f"token-{len(self.tokens) + 1}", Promise()
        self.tokens[token] = promise
        return token, promise

    def spawn(self, routine: Routine) -> Promise:
        promise = Promise()
        self.at(0, lambda: self._step(routine, promise, None))
        return promise

    def cancel(self, promise: Promise) -> None:
        self._cancelled.add(id(promise))
        promise.resolve(error=StateError("States.Aborted", ""))

    def _step(self, routine: Routine, promise: Promise, value: Any) -> None:
        if id(promise) in self._cancelled:
            routine.close()
            return
        try:
            wanted = routine.send(value)
        except StopIteration as stop:
            promise.resolve(stop.value)
        except StateError as error:
            promise.resolve(error=error)
        else:
            if isinstance(wanted, Sleep):
                self.at(wanted.seconds, lambda: self._step(routine, promise, None))
            else:
                self._wait(routine, promise, wanted)

    def _wait(self, routine: Routine, promise: Promise, wanted: Until) -> None:
        gone_on = False

        def go_on(answer: bool) -> None:
            nonlocal gone_on
            if not gone_on:
                gone_on = True
                self.at(0, lambda: self._step(routine, promise, answer))

        if wanted.promise.done:
            go_on(True)
        else:
            wanted.promise.waiting.append(lambda: go_on(True))
            if wanted.seconds < 1e8:
                self.at(wanted.seconds, lambda: go_on(False))

    # ------------------------------------------------------------ calls, and how they fail

    def call(self, what: str, effect: Callable[[], Any], *, before: Exception, after: Exception) -> Any:
        """One call to AWS or a provider. Those that the faults name fail as they say."""
        number = len(self.calls)
        if not self.armed:
            return effect()
        self.calls.append(what)
        away = next((one for one in self.faults if one.mode == "away" and one.number <= number), None)
        fault = away or next((one for one in self.faults if one.number == number), None)
        if fault is None:
            return effect()
        if fault.mode == "away":
            self.away_until = self.away_until or self.now + timedelta(minutes=20)
            if not what.startswith("provider.") or self.now >= self.away_until:
                return effect()
            self.struck = what
            raise before
        self.struck = what
        if fault.mode == "before":
            raise before
        if fault.mode == "hang":
            raise Killed
        if fault.mode == "ignored":
            return None
        result = effect()
        if fault.mode == "refused_after":
            if what == "provider.create":
                raise NoCapacity("none left")
            return result
        raise after if fault.mode == "after" else Killed

    @contextmanager
    def arm(self) -> Iterator[None]:
        """Count calls, and let the fault strike, in what is done here."""
        self.armed = True
        try:
            yield
        finally:
            self.armed = False

    def aws(self, client: Any, operation: str, arguments: dict[str, Any], real: Callable[..., Any]) -> Any:
        service = client._service_model.service_name
        target = f"https://{service}.example"

        def effect() -> Any:
            try:
                return simulated()
            except Refused as refused:
                code = str(refused)
                error = {"Error": {"Code": code, "Message": "simulated"}}
                raise client.exceptions.from_code(code)(error, operation) from None

        def simulated() -> Any:
            match service, operation:
                case "stepfunctions", "StartExecution":
                    self.execute(arguments["stateMachineArn"], arguments["name"], json.loads(arguments["input"]))
                    return {}
                case "stepfunctions", "DescribeExecution":
                    name = arguments["executionArn"].rpartition(":")[2]
                    if name not in self.executions:
                        raise Refused("ExecutionDoesNotExist")
                    return {"status": self.executions[name].partition(" ")[0]}
                case "stepfunctions", "SendTaskSuccess" | "SendTaskFailure":
                    return self._answer_token(operation, arguments)
                case "sqs", _:
                    return self.to_queue(operation, arguments)
                case "events", "PutEvents":
                    for entry in arguments["Entries"]:
                        self._on_bus(entry)
                    return {"FailedEntryCount": 0, "Entries": []}
            answer = real(client, operation, arguments)
            if operation == "TransactWriteItems":
                self._to_stream(arguments)
            return answer

        return self.call(
            f"{service}.{operation}",
            effect,
            before=EndpointConnectionError(endpoint_url=target),
            after=ReadTimeoutError(endpoint_url=target, error="no answer"),
        )

    def to_queue(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a message of ours makes happen."""
        assert operation == "SendMessage", operation
        event = {"Records": [message(arguments["MessageBody"])]}
        self.later("LookAtInstanceFunction", event, tries=5, seconds=arguments["DelaySeconds"])
        return {}

    def _answer_token(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        promise = self.tokens[arguments["taskToken"]]
        if operation == "SendTaskSuccess":
            fresh = promise.resolve(json.loads(arguments["output"]))
        else:
            fresh = promise.resolve(error=StateError(arguments["error"], arguments["cause"]))
        if not fresh:
            raise Refused("TaskTimedOut")
        return {}

    def _to_stream(self, arguments: dict[str, Any]) -> None:
        """The table's stream feeds the relay: outbox entries only, as the event source's filter says."""
        puts = [entry["Put"]["Item"] for entry in arguments["TransactItems"] if "Put" in entry]
        records = [
            {"eventName": "INSERT", "dynamodb": {"SequenceNumber": str(next(self._order)), "NewImage": item}}
            for item in puts
            if item["pk"]["S"].startswith("OUTBOX#") and f'"source":"gpubroker.{self.context}"' in item["event"]["S"]
        ]
        if records:
            self.later("RelayEventsFunction", {"Records": records}, tries=100, again=1)

    def _on_bus(self, entry: dict[str, Any]) -> None:
        event = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
        self.events.append(event)
        self.on_event(event)

    def on_event(self, event: dict[str, Any]) -> None:
        """What the rules of the template make of an event."""
        pattern = self.template["StartWorkflowFunction"]["Properties"]["Events"]["Work"]["Properties"]["Pattern"]
        if event["source"] in pattern["source"] and event["detail-type"] in pattern["detail-type"]:
            self.later("StartWorkflowFunction", event, tries=3)

    # ------------------------------------------------------------ what callers do

    def pay_in(self, tenant: str, micros: int = PAID_IN) -> None:
        """Money on an account, once; no part of what is played."""
        armed, self.armed = self.armed, False
        book = Book(clock=lambda: self.now)
        book.open(tenant)
        book.transfer(Transfer(f"{tenant}-deposit", "deposit", (Leg(CLEARING, tenant, micros),), {}))
        self.armed = armed

    def request(self, caller: Caller, wanted: RentalRequest, *, key: str) -> RentalView:
        """POST /api/v2/rentals as a client does it: with a key, and again when no answer came."""
        self.pay_in(caller.tenant)
        idempotency = Idempotency.of(key, tenant=caller.tenant, route="/api/v2/rentals", body=b"same")
        return self.insisting(lambda: composition.rental_desk().request(caller, wanted, idempotency))

    def scale(self, caller: Caller, rental_id: str, wanted: ScaleRequest, *, key: str) -> RentalView:
        idempotency = Idempotency.of(key, tenant=caller.tenant, route="scale", body=b"same")
        return self.insisting(lambda: composition.rental_desk().scale(caller, rental_id, wanted, idempotency))

    def end(self, caller: Caller, rental_id: str) -> RentalView:
        return self.insisting(lambda: composition.rental_desk().end(caller, rental_id, None))

    def insisting(self, ask: Callable[[], Asked]) -> Asked:
        for _ in range(3):
            try:
                return ask()
            except Killed:
                self.log.append("no answer, asking again")
            except Exception as error:  # a client sees a 5xx, whatever it was
                last = error
                self.log.append(f"asking again after {type(error).__name__}: {error}")
                if not _is_server_fault(error):
                    raise
        raise last

    def types(self, rental_id: str) -> list[str]:
        """The events of a rental, in order, each once however often the relay sent it."""
        seen: dict[str, str] = {}
        for event in self.events:
            if event["detail"]["rental_id"] == rental_id:
                seen.setdefault(event["detail"]["event_id"], event["detail-type"])
        return list(seen.values())


def _is_server_fault(error: Exception) -> bool:
    from gpubroker.kernel.errors import Problem, Unavailable

    return not isinstance(error, Problem) or isinstance(error, Unavailable)


def message(body: str) -> dict[str, Any]:
    """An SQS record of a Lambda event."""
    empty = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
    return {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {}, **empty}


class _Faulty:
    """The providers, each call through the world's `call`."""

    def __init__(self, world: World, providers: Providers) -> None:
        self._world, self._providers = world, providers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._providers, name)
        if name in ("offer", "offer_for", "similar"):
            return method  # read from DynamoDB by another context, which has tests of its own

        def called(*arguments: Any) -> Any:
            lost = ProviderUnavailable("no answer")
            return self._world.call(f"provider.{name}", lambda: method(*arguments), before=lost, after=lost)

        return called


_FACTORIES = ("rental_desk", "callback_desk", "rental_tasks", "workflow_starter", "due_sweep", "provider_sweep")


@contextmanager
def installed(world: World) -> Iterator[World]:
    """The world in the place of AWS, of the providers and of the clock."""
    real = botocore.client.BaseClient._make_api_call

    def aws(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        return world.aws(client, operation, arguments, real)

    for name in _FACTORIES:
        getattr(composition, name).cache_clear()
    with (
        patch.object(botocore.client.BaseClient, "_make_api_call", aws),
        patch.object(composition, "compute", lambda: world.compute),
        patch.object(composition, "offer_source", lambda: world.compute),
        patch("gpubroker.kernel.time.utc_now", lambda: world.now),
        patch("time.sleep", lambda _: None),
    ):
        yield world
    for name in _FACTORIES:
        getattr(composition, name).cache_clear()


def empty() -> None:
    """Forget every item of moto's table: a fresh account at no cost."""
    from moto.backends import get_backend

    for backend in get_backend("dynamodb").values():
        for region in backend.values():
            for table in region.tables.values():
                table.items.clear()
