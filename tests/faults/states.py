"""An interpreter of Amazon States Language, as far as our state machines use it, in virtual time.

Task (a function, plain and with a token; a message to a queue), Choice, Map, Pass, Wait, Succeed, Fail; Retry, Catch,
Parameters, ResultSelector, ItemSelector, ResultPath, TimeoutSeconds. https://states-language.net/spec.html. Anything
else is an error, not a guess.
A state machine runs as a generator that yields what it waits for (`Sleep`, `Until`), so that executions, Map
iterations, queues and callbacks interleave in one deterministic order.
"""

import json
from collections.abc import Callable, Generator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Json = Any
Routine = Generator["Sleep | Until", Any, Any]


class StateError(Exception):
    """A failure inside a state machine: an error name and its cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Promise:
    """A value or a failure that comes later; the first answer counts."""

    value: Any = None
    error: StateError | None = None
    done: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def resolve(self, value: Any = None, error: StateError | None = None) -> bool:
        if self.done:
            return False
        self.value, self.error, self.done = value, error, True
        for wake in self.waiting:
            wake()
        return True


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Until:
    """Wait for a promise, at most so long; resumes with True when it is done, False when time was up."""

    promise: Promise
    seconds: float


@dataclass
class Surroundings:
    """What an interpreter needs of the world around it."""

    invoke: Callable[[str, Json], Json]
    spawn: Callable[[Routine], Promise]
    cancel: Callable[[Promise], None]
    new_token: Callable[[], tuple[str, Promise]]
    send: Callable[[str, Json], None] | None = None


def run(machine: dict[str, Json], data: Json, around: Surroundings) -> Routine:
    """Run a machine (or the inner one of a Map) to its end; raises StateError when it fails."""
    name = machine["StartAt"]
    while True:
        state = machine["States"][name]
        kind = state["Type"]
        if kind == "Succeed":
            return data
        if kind == "Fail":
            raise StateError(path(data, state["ErrorPath"]), path(data, state["CausePath"]))
        if kind == "Choice":
            name = _chosen(state, data)
            continue
        if kind == "Wait":
            yield Sleep(path(data, state["SecondsPath"]))
        elif kind == "Pass":
            data = _placed(state, data, template(state["Parameters"], data, {}))
        else:
            try:
                data = yield from _attempts(state, data, around)
            except StateError as error:
                catcher = _first(state.get("Catch", []), error.error)
                if catcher is None:
                    raise
                told = {"Error": error.error, "Cause": error.cause}
                data, name = _put(data, catcher["ResultPath"], told), catcher["Next"]
                continue
        if state.get("End"):
            return data
        name = state["Next"]


def _attempts(state: Json, data: Json, around: Surroundings) -> Routine:
    """A Task or Map under its Retry: the first retrier that names the error decides."""
    counts: dict[int, int] = {}
    while True:
        try:
            kind = _task if state["Type"] == "Task" else _map
            result = yield from kind(state, data, around)
            return _placed(state, data, result)
        except StateError as error:
            retrier = _first(state.get("Retry", []), error.error)
            if retrier is None:
                raise
            place = state["Retry"].index(retrier)
            used = counts.get(place, 0)
            if used >= retrier.get("MaxAttempts", 3):
                raise
            counts[place] = used + 1
            pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** used
            yield Sleep(min(pause, retrier.get("MaxDelaySeconds", pause)))


def _task(state: Json, data: Json, around: Surroundings) -> Routine:
    resource = state["Resource"]
    if resource == "arn:aws:states:::sqs:sendMessage" and around.send is not None:
        asked = template(state["Parameters"], data, {})
        around.send(asked["QueueUrl"], asked["MessageBody"])
        yield Sleep(0)
        return {"MessageId": "m"}
    assert resource.startswith("arn:aws:states:::lambda:invoke"), resource
    if not resource.endswith(".waitForTaskToken"):
        asked = template(state["Parameters"], data, {})
        answer = around.invoke(asked["FunctionName"], asked["Payload"])
        yield Sleep(0)
        return {"Payload": answer}
    token, promise = around.new_token()
    asked = template(state["Parameters"], data, {"Task": {"Token": token}})
    around.invoke(asked["FunctionName"], asked["Payload"])
    done = yield Until(promise, state["TimeoutSeconds"])
    if not done:
        promise.resolve(error=StateError("States.Timeout", ""))
    if promise.error is not None:
        raise promise.error
    return promise.value


def _map(state: Json, data: Json, around: Surroundings) -> Routine:
    items = path(data, state["ItemsPath"])
    results: list[Any] = [None] * len(items)
    waiting = list(enumerate(items))
    running: dict[int, Promise] = {}
    changed = Promise()
    while waiting or running:
        while waiting and len(running) < state["MaxConcurrency"]:
            number, item = waiting.pop(0)
            asked = template(state["ItemSelector"], data, {"Map": {"Item": {"Index": number, "Value": item}}})
            running[number] = around.spawn(run(state["ItemProcessor"], asked, around))
        changed = Promise()
        for promise in running.values():
            promise.waiting.append(changed.resolve)
            if promise.done:
                changed.resolve()
        yield Until(changed, 1e9)
        for number, promise in list(running.items()):
            if promise.done:
                del running[number]
                if promise.error is not None:
                    for other in running.values():  # a failing iteration stops the others
                        around.cancel(other)
                    raise promise.error
                results[number] = promise.value
    return results


def _chosen(state: Json, data: Json) -> str:
    for rule in state["Choices"]:
        assert set(rule) == {"Variable", "StringEquals", "Next"}, rule
        if path(data, rule["Variable"]) == rule["StringEquals"]:
            return str(rule["Next"])
    return str(state["Default"])


def _first(entries: list[Json], error: str) -> Json | None:
    for entry in entries:
        if error in entry["ErrorEquals"] or "States.ALL" in entry["ErrorEquals"]:
            return entry
    return None


def _placed(state: Json, data: Json, result: Json) -> Json:
    if "ResultSelector" in state:
        result = template(state["ResultSelector"], result, {})
    return _put(data, state.get("ResultPath", "$"), result)


def _put(data: Json, where: str | None, value: Json) -> Json:
    if where is None:
        return data
    if where == "$":
        return value
    (name,) = where.removeprefix("$.").split(".")
    return {**data, name: value}


def path(data: Json, expression: str) -> Json:
    """A reference path of dotted names; a missing one fails the execution, as on AWS."""
    for name in expression.removeprefix("$").split(".")[1:]:
        if not isinstance(data, dict) or name not in data:
            raise StateError("States.Runtime", f"{expression} is not in the input")
        data = data[name]
    return deepcopy(data)


def template(value: Json, data: Json, context: Json) -> Json:
    """A payload template: `name.$` is a path, into the context object when it begins with `$$`."""
    if not isinstance(value, dict):
        return value
    filled = {}
    for name, inner in value.items():
        if name.endswith(".$"):
            source, expression = (context, inner[1:]) if inner.startswith("$$") else (data, inner)
            filled[name[:-2]] = path(source, expression)
        else:
            filled[name] = template(inner, data, context)
    return filled


def cause_of(error: Exception) -> str:
    """What Lambda tells of an exception."""
    return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []})
