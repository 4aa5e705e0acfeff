"""What clients may say over a WebSocket, and what they are answered: pure, no I/O.

    {"type": "subscribe", "channel": "gpu:A100"}      {"type": "unsubscribe", "channel": "gpu:A100"}
    {"type": "ping"}                                  {"type": "resume", "last_sequence": 4711}
    {"type": "get_providers"}                         {"type": "get_offers", "filters": {"gpu": "A100", "max_price": 2}}

Any message may carry a `ref` (text), which its answer repeats. What is wrong is answered by
`{"type": "error", "code", "message", "ref"}` with the codes of the HTTP API's problems; the connection stays.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpubroker.delivery.channels import PRIVATE_FORMS, PUBLIC_FORMS
from gpubroker.delivery.limits import LARGEST_MESSAGE_BYTES, SOCKETS
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, Malformed, Problem, TooLarge

TYPES = ("subscribe", "unsubscribe", "ping", "resume", "get_providers", "get_offers")
_LONGEST_REF = 64
_FRAME_BYTES = 30 * 1024  # API Gateway bills a message by each 32 KB


class UnknownType(Invalid):
    code = "unknown-message-type"
    title = "There is no message of this type"


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a client. type: one of TYPES; fields: the rest of it but for `ref`."""

    type: str
    ref: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def read(text: str) -> Said:
    """The message in a frame. Raises TooLarge, Malformed, Invalid or UnknownType; `ref_of` still finds its ref."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_MESSAGE_BYTES:
        raise TooLarge(f"A message may have {LARGEST_MESSAGE_BYTES} bytes.")
    told = _object(text)
    kind = told.get("type")
    if not isinstance(kind, str):
        raise Invalid.of("type", f"is required: one of {', '.join(TYPES)}")
    if kind not in TYPES:
        raise UnknownType(f"{kind[:40]!r} is none of {', '.join(TYPES)}.")
    ref = told.get("ref")
    if ref is not None and not (isinstance(ref, str) and len(ref) <= _LONGEST_REF):
        raise Invalid.of("ref", f"is a text of at most {_LONGEST_REF} characters")
    return Said(kind, ref, {name: value for name, value in told.items() if name not in ("type", "ref")})


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Malformed("A message is one JSON object.") from error
    if not isinstance(told, dict):
        raise Malformed("A message is one JSON object.")
    return told


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def ref_of(text: str) -> str | None:
    """The ref of a message that was refused, where it can be made out."""
    try:
        ref = _object(text).get("ref")
    except Malformed:
        return None
    return ref if isinstance(ref, str) and len(ref) <= _LONGEST_REF else None


def channel_of(said: Said) -> str:
    """The channel that a subscribe or unsubscribe names. Raises Invalid."""
    channel = said.fields.get("channel")
    if not isinstance(channel, str) or not 1 <= len(channel) <= 128:
        raise Invalid.of("channel", "is required: a text of at most 128 characters")
    return channel


def last_sequence_of(said: Said) -> int:
    """Raises Invalid."""
    number = said.fields.get("last_sequence")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**53:
        raise Invalid.of("last_sequence", "is required: the sequence of the last message that was seen")
    return number


def filters_of(said: Said) -> dict[str, Any]:
    """The filters of get_offers: in `filters`, or beside `type`. Raises Invalid."""
    filters = said.fields.get("filters", {})
    if not isinstance(filters, dict):
        raise Invalid.of("filters", "is an object of the list's filters")
    return {**{name: value for name, value in said.fields.items() if name != "filters"}, **filters}


# ------------------------------------------------------------------ what is answered


def greeting(connection_id: str, caller: Caller, channels: Iterable[str], sequence: int) -> dict[str, Any]:
    """The confirmation of a connection (R11.5): what may be subscribed to, and what is subscribed to already."""
    limits = SOCKETS[caller.plan]
    return {
        "type": "connection",
        "status": "connected",
        "connection_id": connection_id,
        "subscriptions": [*PUBLIC_FORMS, *(() if caller.anonymous else PRIVATE_FORMS)],
        "subscribed": sorted(channels),
        "authenticated": not caller.anonymous,
        "plan": caller.plan.value,
        "limits": {
            "connections": limits.connections,
            "subscriptions": limits.subscriptions,
            "messages_per_second": limits.messages,
        },
        "sequence": sequence,
    }


def answer(kind: str, ref: str | None, **fields: Any) -> dict[str, Any]:
    told = {"type": kind, **fields}
    return told if ref is None else {**told, "ref": ref}


def error(problem: Problem, ref: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"code": problem.code, "message": problem.detail}
    if problem.fields:
        fields["errors"] = [{"field": wrong.field, "message": wrong.message} for wrong in problem.fields]
    if problem.retry_after is not None:
        fields["retry_after"] = problem.retry_after
    return {"type": "error", **fields, "ref": ref}


def frames(messages: Iterable[str], *, batched: bool) -> list[str]:
    """Messages as they are sent: one frame each, or (`?batch=true`) several in a frame of at most 30 KB.

    A batch of one is the message itself, so that a reader of batches reads everything.
    """
    texts = list(messages)
    if not batched:
        return texts
    packed: list[list[str]] = []
    size = _FRAME_BYTES
    for text in texts:
        if size + len(text) > _FRAME_BYTES:
            packed.append([])
            size = 0
        packed[-1].append(text)
        size += len(text)
    return [some[0] if len(some) == 1 else f'{{"type":"batch","messages":[{",".join(some)}]}}' for some in packed]
