"""When a provider's circuit opens: settings that stand in the table, so that they can be changed without a deploy.

    SETTINGS  BREAKER#<provider>, BREAKER#*    the fields of BreakerSettings as JSON; what is missing is as in `*`, and
                                               what is missing there as in the code

They are read with the states, in the same call. What makes no sense is said aloud and left aside: a mistyped number
must neither open the circuits of all providers nor stop the sync.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from dataclasses import fields as dataclass_fields
from typing import Any

import orjson

from gpubroker.kernel.errors import Invalid
from gpubroker.resilience.breaker import PROVIDERS, BreakerSettings

log = logging.getLogger(__name__)

EVERYBODY = "*"
_WHOLE = frozenset({"window", "minimum_calls", "trials"})
_BOUNDS: dict[str, tuple[float, float]] = {
    "window": (1, 100),
    "minimum_calls": (1, 100),
    "threshold": (0.0, 1.0),
    "open_s": (1.0, 3600.0),
    "trials": (1, 100),
    "trial_s": (1.0, 3600.0),
}
_NAMES = frozenset(field.name for field in dataclass_fields(BreakerSettings))


def changed(settings: BreakerSettings, changes: Mapping[str, Any]) -> BreakerSettings:
    """The settings with some fields changed. Raises Invalid, which names the field, for what makes no sense."""
    for name, value in changes.items():
        if name not in _NAMES:
            raise Invalid.of(name, f"is none of {', '.join(sorted(_NAMES))}")
        low, high = _BOUNDS[name]
        if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else int | float):
            raise Invalid.of(name, "must be a whole number" if name in _WHOLE else "must be a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise Invalid.of(name, f"must be {low:g} to {high:g}")
    after = replace(settings, **changes)
    if after.minimum_calls > after.window:
        raise Invalid.of("minimum_calls", "must not be more than the window remembers")
    return after


def settings_of(stored: Mapping[str, str], provider: str) -> BreakerSettings:
    """A provider's settings, from what the table holds by name (`*` for all)."""
    settings = PROVIDERS
    for name in (EVERYBODY, provider):
        if (raw := stored.get(name)) is None:
            continue
        try:
            changes = orjson.loads(raw)
            if not isinstance(changes, dict):
                raise TypeError(f"an object is expected, not {type(changes).__name__}")
            settings = changed(settings, changes)
        except (ValueError, TypeError, Invalid) as error:
            log.error("breaker settings left aside", extra={"settings": name, "error": str(error)})
    return settings


def encoded(settings: BreakerSettings) -> str:
    return orjson.dumps(asdict(settings)).decode()
