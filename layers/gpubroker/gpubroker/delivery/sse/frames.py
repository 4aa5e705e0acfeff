"""`text/event-stream` (WHATWG HTML §9.2): an answer that carries everything since an id, and when to come back.

Events have no name, so that `onmessage` gets them all; their `type` is in the data. An id without data moves the
client's `Last-Event-ID` without an event.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

CONTENT_TYPE = "text/event-stream"


def text(
    messages: Iterable[Mapping[str, Any]],
    *,
    prefix: str,
    position: int,
    retry_ms: int,
    notices: Iterable[Mapping[str, Any]] = (),
) -> str:
    """prefix: of every id (the session and a dot, or nothing); position: where the next answer goes on.

    notices: what is told first and is no message of the log; they have no id of their own.
    """
    lines = [f"retry: {retry_ms}\n\n"]
    lines += [f"data: {_json(notice)}\n\n" for notice in notices]
    last = None
    for message in messages:
        last = message["sequence"]
        lines.append(f"id: {prefix}{last}\ndata: {_json(message)}\n\n")
    if last != position:
        lines.append(f"id: {prefix}{position}\n\n")
    return "".join(lines)


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))  # ASCII without line ends, as a data line must be
