"""What the workflows of a rental do, read from Step Functions' own history while they run."""

from __future__ import annotations

from typing import Any

from infra.local import aws

ENTERED = "StateEntered"


class WorkflowTrace:
    """Follows the executions named after the operations of one rental."""

    def __init__(self, endpoint_url: str) -> None:
        self._client = aws.client("stepfunctions", endpoint_url)
        self._machines: list[str] = [m["stateMachineArn"] for m in self._client.list_state_machines()["stateMachines"]]
        self._executions: dict[str, str] = {}
        self._seen: dict[str, int] = {}

    def states(self, operation_id: str) -> list[str]:
        """The states that the operation's workflow has entered since the last look, in order."""
        execution = self._find(operation_id)
        if execution is None:
            return []
        events: list[dict[str, Any]] = []
        for page in self._client.get_paginator("get_execution_history").paginate(executionArn=execution):
            events.extend(page["events"])
        fresh = [event for event in events if event["id"] > self._seen.get(operation_id, 0)]
        self._seen[operation_id] = max((event["id"] for event in events), default=0)
        return [event["stateEnteredEventDetails"]["name"] for event in fresh if event["type"].endswith(ENTERED)]

    def _find(self, operation_id: str) -> str | None:
        if operation_id not in self._executions:
            for machine in self._machines:
                arn = machine.replace(":stateMachine:", ":execution:") + f":{operation_id}"
                try:
                    self._client.describe_execution(executionArn=arn)
                except self._client.exceptions.ExecutionDoesNotExist:
                    continue
                self._executions[operation_id] = arn
        return self._executions.get(operation_id)
