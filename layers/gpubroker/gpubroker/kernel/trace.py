"""The W3C trace context of what is being done now, so that every hop can carry it on.

https://www.w3.org/TR/trace-context/ : `00-<32 hex trace id>-<16 hex span id>-<2 hex flags>`.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
_CORRELATION_ID = re.compile(r"^[A-Za-z0-9._:@/+=-]{1,128}$")
_XRAY_ROOT = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24})")


@dataclass(frozen=True, slots=True)
class Trace:
    """traceparent of the present span, and the caller's own correlation id (R15.5), which is never the trace id."""

    traceparent: str
    correlation_id: str

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]


current: ContextVar[Trace | None] = ContextVar("gpubroker_trace", default=None)


def traceparent_now() -> str | None:
    trace = current.get()
    return trace.traceparent if trace else None


def correlation_id_now() -> str | None:
    trace = current.get()
    return trace.correlation_id if trace else None


def continue_trace(traceparent: str | None, correlation_id: str | None, *, xray: str = "", fallback: str = "") -> Trace:
    """A new span in the caller's trace; in X-Ray's (`_X_AMZN_TRACE_ID`) when the caller has none; else in a new one.

    What the caller sent is used only when it is well formed: both values go into logs and on to other systems.
    """
    span = secrets.token_hex(8)
    if traceparent and _TRACEPARENT.match(traceparent):
        parent = f"00-{traceparent[3:35]}-{span}-{traceparent[53:55]}"
    elif root := _XRAY_ROOT.search(xray):
        parent = f"00-{root[1]}{root[2]}-{span}-01"
    else:
        parent = f"00-{secrets.token_hex(16)}-{span}-01"
    if not (correlation_id and _CORRELATION_ID.match(correlation_id)):
        correlation_id = fallback or parent[3:35]
    return Trace(parent, correlation_id)
