"""X-Ray subsegments of what runs behind the API: its calls to AWS (R6.5).

Calls to providers are not patched: they run side by side in one event loop, and the SDK keeps one stack of open
subsegments for all of them, so the first to end would end its neighbours' (AlreadyEndedException). Their times are
in the sync's own metrics and in /api/v2/providers/health.

Only for an invocation that X-Ray samples, and only here: the SDK costs 117 ms of start-up and 24 µs a call, which
the warm list path and its cold start do not pay. There Lambda's own segment, the log line and its trace id tell.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

Handler = Callable[[dict[str, Any], Any], Any]

_PATCHED = ("botocore",)


@cache
def _tracer() -> Any:
    from aws_lambda_powertools import Tracer

    return Tracer(auto_patch=True, patch_modules=_PATCHED)


def sampled() -> bool:
    """Whether X-Ray records the present invocation: Lambda sets the variable anew for each."""
    return "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "")


def traced(handler: Handler) -> Handler:
    """The handler; in an invocation that X-Ray samples, with subsegments of its calls. Answers are not recorded."""

    def entry(event: dict[str, Any], context: Any) -> Any:
        if not sampled():
            return handler(event, context)
        return _tracer().capture_lambda_handler(handler, capture_response=False)(event, context)

    return entry
