"""EventBridge targets: Lambda asynchronously with its retries, Kinesis at all, dead-letter queues, punctual schedules.

AWS: EventBridge invokes Lambda asynchronously, which tries twice more and then turns to the function's on-failure
destination or dead-letter queue (Lambda developer guide, "How Lambda handles errors and retries with asynchronous
invocation"; the dead-letter message is the event itself with RequestID, ErrorCode and ErrorMessage as attributes). An
event that cannot be delivered goes to the target's DeadLetterConfig queue with RULE_ARN, TARGET_ARN, ERROR_CODE and
ERROR_MESSAGE (EventBridge user guide, "Using dead-letter queues"). A Kinesis target gets the event under
KinesisParameters.PartitionKeyPath, by default its id. A rate rule fires every so many minutes from its creation on.
The stock engine calls a Lambda once, drops what is for Kinesis or for nobody, and looks at schedules every 10 s, so
that a one-minute rule drifts towards 70 s.
"""

import json
import logging
from typing import Any

from ministack.core.arn import Arn, ArnParseError, parse_arn
from ministack.core.responses import new_uuid
from ministack.services import eventbridge, kinesis, lambda_svc, sqs, stepfunctions

from infra.local.engine.delivery import deliver
from infra.local.engine.patching import original, replaces

logger = logging.getLogger("engine.events")


def payload_of(target: dict[str, Any], rule: dict[str, Any], view: Any) -> str:
    """What a target gets of an event: all of it, a part, a constant or a transformation."""
    if target.get("InputTransformer"):
        return str(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    if target.get("Input"):
        return str(target["Input"])
    event = view.event_with_detail()
    if path := target.get("InputPath"):
        return json.dumps(_at(event, path, event))
    return json.dumps(event)


def _at(event: Any, path: str, otherwise: Any) -> Any:
    """The part of an event at a simple JSON path."""
    found = event
    for part in path.removeprefix("$").strip(".").split("."):
        if part:
            if not isinstance(found, dict) or part not in found:
                return otherwise
            found = found[part]
    return found


def missing(spec: Arn) -> str:
    """Why a target cannot get anything; empty when it can."""
    if spec.service == "lambda" and not lambda_svc._get_func_record_for_ref(str(spec))[0]:
        return "The function does not exist."
    if spec.service == "sqs" and not sqs._queue_by_arn(str(spec)):
        return "The queue does not exist."
    if spec.service == "states" and stepfunctions._resolve_state_machine_arn(str(spec)) is None:
        return "The state machine does not exist."
    if spec.service == "kinesis" and not kinesis._resolve_stream_by_arn(str(spec)):
        return "The stream does not exist."
    return ""


def on_the_beat(previous: float, fired: float, seconds: int) -> float:
    """When a rate rule was due, however late this thread got to look: the beats stay `seconds` apart."""
    return previous + (fired - previous) // seconds * seconds


def _to_dead_letters(target: dict[str, Any], rule: dict[str, Any], view: Any, reason: str) -> None:
    logger.warning("rule %s cannot reach %s: %s", rule.get("Name"), target.get("Arn"), reason)
    if queue := (target.get("DeadLetterConfig") or {}).get("Arn"):
        attributes = {
            "RULE_ARN": rule.get("Arn", ""),
            "TARGET_ARN": target.get("Arn", ""),
            "ERROR_CODE": "NO_RESOURCE",
            "ERROR_MESSAGE": reason,
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            "RETRY_ATTEMPTS": "0",
        }
        deliver(queue, json.dumps(view.event_with_detail()), attributes)


def apply() -> None:
    invoke = original(eventbridge, "_invoke_target")
    tick = original(eventbridge, "_tick_scheduled_rules")
    route = original(lambda_svc, "_route_async_failure")
    original(eventbridge, "_SCHEDULER_TICK_INTERVAL")
    eventbridge._SCHEDULER_TICK_INTERVAL = 1

    @replaces(eventbridge)
    def _invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        view = view or eventbridge._pattern_event_view(event)
        try:
            spec = parse_arn(target.get("Arn", ""))
        except ArnParseError:
            return invoke(target, event, rule, view)  # type: ignore[no-any-return]
        if reason := missing(spec):
            return _to_dead_letters(target, rule, view, reason)
        if spec.service != "kinesis":
            return invoke(target, event, rule, view)  # type: ignore[no-any-return]
        whole = view.event_with_detail()
        path = (target.get("KinesisParameters") or {}).get("PartitionKeyPath", "$.id")
        key = str(_at(whole, path, whole["id"]))[:256]
        kinesis.put_record_internal(str(spec), key, payload_of(target, rule, view).encode())
        return None

    @replaces(eventbridge)
    def _dispatch_to_lambda(arn: str, payload: str) -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), _json(payload))

    @replaces(eventbridge)
    def _tick_scheduled_rules() -> None:
        before = dict(eventbridge._rule_last_fired)
        tick()
        for key, fired in list(eventbridge._rule_last_fired.items()):
            rule = eventbridge._rules._data.get(key) or {}
            seconds = eventbridge._parse_rate_seconds(rule.get("ScheduleExpression", ""))
            if seconds and key in before:
                eventbridge._rule_last_fired[key] = on_the_beat(before[key], fired, seconds)

    @replaces(lambda_svc)
    def _route_async_failure(target_arn: str, func_name: str, event: Any, result: dict[str, Any]) -> None:
        function = lambda_svc._functions.get(func_name) or {}
        config = function.get("config") or {}
        settings = (
            (function.get("event_invoke_configs") or {}).get("$LATEST") or function.get("event_invoke_config") or {}
        )
        body: dict[str, Any] = result["body"] if isinstance(result.get("body"), dict) else {}
        if not target_arn.startswith(("arn:aws:sqs:", "arn:aws:sns:")):
            return route(target_arn, func_name, event, result)  # type: ignore[no-any-return]
        request_id = body.get("requestId") or new_uuid()
        if not ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination"):
            attributes = {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": body.get("errorMessage") or "-"}
            return deliver(target_arn, json.dumps(event), attributes)
        retries = settings.get("MaximumRetryAttempts")
        message = {
            "version": "1.0",
            "timestamp": eventbridge._iso_time(eventbridge._now_ts()),
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{config.get('FunctionArn', '')}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": (2 if retries is None else int(retries)) + 1,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": body,
        }
        return deliver(target_arn, json.dumps(message))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
