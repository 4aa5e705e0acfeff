"""Functions that are called by workflows, schedules and rules: one log line when they fail, nothing swallowed."""

from collections.abc import Callable
from typing import Any

from gpubroker.kernel import deadline, trace
from gpubroker.messaging.log import logger
from gpubroker.messaging.tracing import Handler, traced


def task(function: Callable[[dict[str, Any]], Any]) -> Handler:
    """A Lambda handler from a function of the event.

    The trace context is taken from the event (`traceparent`, `correlation_id`, or those of an EventBridge detail).
    An exception is logged once and raised again, so that Retry and Catch see its class name. What the function calls
    knows how long it may take (kernel/deadline.py): a little less than Lambda leaves it.
    """

    def handler(event: dict[str, Any], context: Any) -> Any:
        told = event.get("detail", event) if isinstance(event, dict) else {}
        told = told if isinstance(told, dict) else {}
        token = trace.current.set(trace.continue_trace(told.get("traceparent"), told.get("correlation_id")))
        begun = deadline.begin(deadline.of_lambda(context))
        try:
            return function(event)
        except Exception as error:
            span = trace.current.get()
            logger().error(
                "task failed",
                extra={
                    "task": function.__name__,
                    "error": f"{type(error).__name__}: {error}",
                    "trace_id": span.trace_id if span else None,
                },
            )
            raise
        finally:
            deadline.end(begun)
            trace.current.reset(token)

    return traced(handler)
