"""Step Functions: task tokens, heartbeats, retries and time limits as the states language has them.

AWS (Step Functions developer guide, "Handling errors in Step Functions workflows" and "Wait for a Callback with Task
Token"; Amazon States Language): a Lambda that fails in `.waitForTaskToken` fails its task; no heartbeat within
HeartbeatSeconds is States.HeartbeatTimeout; every attempt has a token of its own, and a token works once;
MaxDelaySeconds and JitterStrategy shape a retry's delay; States.ALL does not match States.Runtime; branches of Parallel
and Map see their own context object; the workflow's own TimeoutSeconds ends it; an aborted workflow waits no longer;
StartExecution of a running execution with the same name and input is answered like the first; Express workflows emit no
status events. The stock engine swallows the failing Lambda until the timeout, accepts any token again, shares one
context (and so one token) among branches, and knows nothing of the rest.
"""

import contextvars
import json
import random
import re
import threading
import time
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid, now_iso
from ministack.services import stepfunctions

from infra.local.engine.patching import original, replaces

_CHECK_SECONDS = 0.5  # how often a waiting task looks whether its workflow has been ended
_TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FOREVER = 31_536_000  # a year: the longest that an execution may run

# The execution that this thread works on.
_execution: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("execution", default=None)


def delay(retrier: dict[str, Any], retries: int) -> float:
    """Seconds before the next attempt, after `retries` retries."""
    seconds = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retries)
    seconds = min(seconds, retrier.get("MaxDelaySeconds", seconds))
    return random.uniform(0, seconds) if retrier.get("JitterStrategy") == "FULL" else seconds


def _await_callback(task: dict[str, Any], state: dict[str, Any]) -> None:
    """Wait until the task's token comes back, its time is up, its heart stops or its workflow is ended."""
    ends = time.monotonic() + float(state.get("TimeoutSeconds", _FOREVER))
    beat = float(state.get("HeartbeatSeconds", _FOREVER))
    execution = _execution.get()
    while not task["event"].wait(max(0.0, min(_CHECK_SECONDS, ends - time.monotonic(), beat))):
        now = time.monotonic()
        if now >= ends:
            raise stepfunctions._ExecutionError("States.Timeout", "")
        if now - task["beat"] >= beat:
            raise stepfunctions._ExecutionError("States.HeartbeatTimeout", "")
        if execution and execution["status"] != "RUNNING":
            raise stepfunctions._ExecutionError("States.Aborted", "The execution has ended.")


def _refusal(token: Any) -> Any:
    """The answer to a token that nobody waits for: used, too late, or never given out."""
    task = stepfunctions._task_tokens.get(token)
    if task and not task["event"].is_set():
        return None
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        message = "Task Timed Out: 'Provided task does not exist anymore'"
        return error_response_json("TaskTimedOut", message, 400)
    return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)


def _is_express(execution: dict[str, Any]) -> bool:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
    return machine.get("type") == "EXPRESS"


def _time_out(execution: dict[str, Any]) -> None:
    if execution["status"] == "RUNNING":
        execution |= {"status": "TIMED_OUT", "stopDate": now_iso(), "error": "States.Timeout"}
        stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
        stepfunctions._emit_execution_status_event(execution)


def apply() -> None:
    _apply_to_executions()
    _apply_to_tokens()
    find = original(stepfunctions, "_find_matching_retrier")
    parameters = original(stepfunctions, "_apply_parameters")
    branch = original(stepfunctions, "_run_sub_machine")
    matches = original(stepfunctions, "_error_matches")

    @replaces(stepfunctions)
    def _find_matching_retrier(retriers: Any, error: str, retry_counts: dict[int, int]) -> Any:
        retrier, index = find(retriers, error, retry_counts)
        if retrier is not None:
            retrier = {**retrier, "IntervalSeconds": delay(retrier, retry_counts.get(index, 0)), "BackoffRate": 1.0}
        return retrier, index

    @replaces(stepfunctions)
    def _error_matches(error_equals: list[str], error: str) -> bool:
        if error in ("States.Runtime", "States.DataLimitExceeded"):
            return error in error_equals
        if error == "States.Aborted":  # of this file: nothing catches an abort
            return False
        if error == "States.HeartbeatTimeout" and "States.Timeout" in error_equals:
            return True
        return bool(matches(error_equals, error))

    # Called once before each attempt of a task, with the context object that the attempt's parameters may name.
    @replaces(stepfunctions)
    def _apply_parameters(state_def: dict[str, Any], data: Any, ctx: dict[str, Any] | None = None) -> Any:
        if ctx and ctx["State"].get("RetryCount") and ".waitForTaskToken" in state_def.get("Resource", ""):
            ctx["Task"] = {"Token": new_uuid()}
        return parameters(state_def, data, ctx)

    @replaces(stepfunctions)
    def _run_sub_machine(states: Any, start_at: Any, input_data: Any, execution: Any, ctx: dict[str, Any]) -> Any:
        return branch(states, start_at, input_data, execution, {**ctx})


def _apply_to_executions() -> None:
    start = original(stepfunctions, "_start_execution")
    run = original(stepfunctions, "_run_execution")
    fail = original(stepfunctions, "_fail_execution")
    emit = original(stepfunctions, "_emit_execution_status_event")

    @replaces(stepfunctions)
    def _start_execution(data: dict[str, Any]) -> Any:
        machine = stepfunctions._state_machines.get(data.get("stateMachineArn", "")) or {}
        if (name := data.get("name")) and machine:
            if machine.get("type") == "EXPRESS":  # names need not be unique there
                return start({**data, "name": f"{name}:{new_uuid()}"})
            arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
            running = stepfunctions._executions.get(arn)
            if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
                return json_response({"executionArn": arn, "startDate": running["startDate"]})
        return start(data)

    @replaces(stepfunctions)
    def _run_execution(exec_arn: str) -> None:
        execution = stepfunctions._executions.get(exec_arn)
        machine = stepfunctions._state_machines.get((execution or {}).get("stateMachineArn")) or {}
        seconds = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
        _execution.set(execution)
        limit = threading.Timer(seconds, contextvars.copy_context().run, (_time_out, execution)) if seconds else None
        if limit:
            limit.daemon = True
            limit.start()
        try:
            run(exec_arn)
        finally:
            if limit:
                limit.cancel()

    @replaces(stepfunctions)
    def _fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":  # what was aborted or timed out stays so
            fail(execution, error, cause)

    @replaces(stepfunctions)
    def _emit_execution_status_event(execution: dict[str, Any]) -> None:
        if not _is_express(execution):
            emit(execution)


def _apply_to_tokens() -> None:
    success = original(stepfunctions, "_send_task_success")
    failure = original(stepfunctions, "_send_task_failure")
    heartbeat = original(stepfunctions, "_send_task_heartbeat")

    @replaces(stepfunctions)
    def _invoke_with_callback(resource: str, input_data: Any, token: str, state_def: dict[str, Any]) -> Any:
        task: dict[str, Any] = {"event": threading.Event(), "result": None, "error": None, "heartbeat": None}
        task["beat"] = time.monotonic()
        task["state_machine"] = (_execution.get() or {}).get("stateMachineArn", "*")  # who may answer depends on it
        stepfunctions._task_tokens[token] = task
        try:
            stepfunctions._invoke_resource(resource.replace(".waitForTaskToken", ""), input_data)
            _await_callback(task, state_def)
        finally:
            stepfunctions._task_tokens.pop(token, None)
        if task["error"]:
            raise stepfunctions._ExecutionError(task["error"]["Error"], task["error"]["Cause"])
        return json.loads(task["result"])

    @replaces(stepfunctions)
    def _send_task_success(data: dict[str, Any]) -> Any:
        try:
            json.loads(data.get("output", ""))
        except ValueError:
            return error_response_json("InvalidOutput", "Invalid Output: 'Invalid JSON'", 400)
        return _refusal(data.get("taskToken")) or success(data)

    @replaces(stepfunctions)
    def _send_task_failure(data: dict[str, Any]) -> Any:
        return _refusal(data.get("taskToken")) or failure(data)

    @replaces(stepfunctions)
    def _send_task_heartbeat(data: dict[str, Any]) -> Any:
        if refused := _refusal(data.get("taskToken")):
            return refused
        stepfunctions._task_tokens[data["taskToken"]]["beat"] = time.monotonic()
        return heartbeat(data)
