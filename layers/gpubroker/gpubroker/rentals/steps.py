"""Step Functions, as far as rentals use it: start work once, answer a waiting state once."""

import os
from functools import cache
from typing import Any, Protocol

import orjson

from gpubroker.rentals.rental import Operation, Rental, Work

_LATE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})

_MACHINES = {
    Work.PROVISION: "REQUEST_TO_READY_STATE_MACHINE",
    Work.ADD: "SCALING_STATE_MACHINE",
    Work.REMOVE: "SCALING_STATE_MACHINE",
    Work.END: "READY_TO_ENDED_STATE_MACHINE",
}


class Steps(Protocol):
    def start(self, work: Work, name: str, work_input: dict[str, str]) -> bool: ...

    def running(self, work: Work, name: str) -> bool: ...

    def succeed(self, token: str, result: dict[str, Any]) -> bool: ...

    def fail(self, token: str, error: str, cause: str) -> bool: ...


@cache
def _client() -> Any:
    import boto3

    return boto3.client("stepfunctions")


class StepFunctions:
    def start(self, work: Work, name: str, work_input: dict[str, str]) -> bool:
        """Start the workflow of this work under a name; False when one of that name was started before."""
        client = _client()
        try:
            client.start_execution(
                stateMachineArn=os.environ[_MACHINES[work]], name=name, input=orjson.dumps(work_input).decode()
            )
        except client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def running(self, work: Work, name: str) -> bool:
        """Whether the workflow of this work that was started under a name still runs."""
        client = _client()
        machine = os.environ[_MACHINES[work]].replace(":stateMachine:", ":execution:")
        try:
            found = client.describe_execution(executionArn=f"{machine}:{name}")
        except client.exceptions.ExecutionDoesNotExist:
            return False
        return bool(found["status"] == "RUNNING")

    def succeed(self, token: str, result: dict[str, Any]) -> bool:
        """Answer a waiting state; False when it waits no longer, which is no error: callbacks may be late."""
        return self._answer("send_task_success", taskToken=token, output=orjson.dumps(result).decode())

    def fail(self, token: str, error: str, cause: str) -> bool:
        return self._answer("send_task_failure", taskToken=token, error=error, cause=cause)

    def _answer(self, operation: str, **arguments: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            getattr(_client(), operation)(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _LATE:
                return False
            raise
        return True


def execution_name(operation: Operation) -> str:
    """One execution per attempt at an operation: the first is named after the operation alone."""
    return operation.operation_id if operation.attempt == 1 else f"{operation.operation_id}-{operation.attempt}"


def work_input(rental: Rental, operation: Operation) -> dict[str, str]:
    """All that a workflow is told; the rest it reads from the rental, each time."""
    return _input(rental.tenant, rental.rental_id, operation.operation_id, "", "")


def _input(tenant: str, rental_id: str, operation_id: str, traceparent: str, correlation_id: str) -> dict[str, str]:
    return {
        "tenant": tenant,
        "rental_id": rental_id,
        "operation_id": operation_id,
        "traceparent": traceparent,
        "correlation_id": correlation_id,
    }


_WORK_OF = {"RentalRequested": Work.PROVISION, "RentalEnding": Work.END}


class Starter:
    """Starts workflows on events of the bus. An event comes at least once; its execution's name is taken once."""

    def __init__(self, steps: Steps):
        self._steps = steps

    def on_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Start what an EventBridge event of ours asks for. Raises KeyError on an event that is none of them."""
        told = event["detail"]
        operation_id = told["data"]["operation_id"]
        kind = event["detail-type"]
        work = Work(told["data"]["action"]) if kind == "RentalScaling" else _WORK_OF[kind]
        trace, correlation = told.get("traceparent") or "", told.get("correlation_id") or ""
        told_on = _input(told["user_id"], told["rental_id"], operation_id, trace, correlation)
        started = self._steps.start(work, operation_id, told_on)
        return {"operation_id": operation_id, "started": started}
