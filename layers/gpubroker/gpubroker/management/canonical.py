"""JSON that is always the same text for the same content, and the bounds of what callers may put into it."""

import json
from typing import Any

from gpubroker.kernel.errors import Invalid

DEEPEST = 20
LARGEST_BYTES = 64 * 1024


def canonical(value: Any) -> str:
    """Sorted keys, no spaces, ASCII only. Raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def bounded(field: str, value: dict[str, Any]) -> dict[str, Any]:
    """The value, if it may be kept. Raises Invalid on `field`."""
    if _depth(value) > DEEPEST:
        raise Invalid.of(field, f"is nested more than {DEEPEST} deep")
    try:
        size = len(canonical(value))
    except ValueError as error:
        raise Invalid.of(field, "has a number that is out of range") from error
    if size > LARGEST_BYTES:
        raise Invalid.of(field, f"may take {LARGEST_BYTES} bytes as JSON")
    return value


def _depth(value: Any) -> int:
    """How deep it is nested, without recursion: what is deep may be very deep."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, depth)
            if depth > DEEPEST:
                return depth
            waiting += [(part, depth + 1) for part in (one.values() if isinstance(one, dict) else one)]
    return deepest
