"""Step Functions, as far as settlement uses it: one execution of a name, started once."""

import os
from functools import cache
from typing import Any, Protocol

import orjson

from gpubroker.management.settlement.settlement import Settlement

MACHINE = "TRANSACTION_TO_PAYOUT_STATE_MACHINE"


class Workflows(Protocol):
    def start(self, name: str, told: dict[str, str]) -> bool: ...

    def running(self, name: str) -> bool: ...


@cache
def _client() -> Any:
    import boto3

    return boto3.client("stepfunctions")


class StepFunctions:
    def start(self, name: str, told: dict[str, str]) -> bool:
        """Start `transaction_to_payout` under a name; False when one of that name was started before."""
        client = _client()
        try:
            client.start_execution(stateMachineArn=os.environ[MACHINE], name=name, input=orjson.dumps(told).decode())
        except client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def running(self, name: str) -> bool:
        client = _client()
        machine = os.environ[MACHINE].replace(":stateMachine:", ":execution:")
        try:
            found = client.describe_execution(executionArn=f"{machine}:{name}")
        except client.exceptions.ExecutionDoesNotExist:
            return False
        return bool(found["status"] == "RUNNING")


def told_to(settlement: Settlement, *, traceparent: str = "", correlation_id: str = "") -> dict[str, str]:
    """All that a workflow is told; the rest it reads from the settlement, each time."""
    return _told(settlement.buyer, settlement.transaction_id, traceparent, correlation_id)


def _told(buyer: str, transaction_id: str, traceparent: str, correlation_id: str) -> dict[str, str]:
    return {
        "buyer": buyer,
        "transaction_id": transaction_id,
        "traceparent": traceparent,
        "correlation_id": correlation_id,
    }


class Starter:
    """Starts the workflow on SettlementRequested. An event comes at least once; its execution's name is taken once."""

    def __init__(self, workflows: Workflows):
        self._workflows = workflows

    def on_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Raises KeyError on an event that is not SettlementRequested."""
        told = event["detail"]
        wanted = _told(
            told["buyer"],
            told["transaction_id"],
            told.get("traceparent") or "",
            told.get("correlation_id") or "",
        )
        return {"execution": told["execution"], "started": self._workflows.start(told["execution"], wanted)}
