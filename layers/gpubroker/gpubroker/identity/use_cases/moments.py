"""How a stored moment (epoch seconds) is shown."""

from datetime import UTC, datetime
from typing import overload

from gpubroker.kernel.time import iso


@overload
def shown(moment: int) -> str: ...
@overload
def shown(moment: None) -> None: ...
@overload
def shown(moment: int | None) -> str | None: ...
def shown(moment: int | None) -> str | None:
    """RFC 3339 in UTC; None for what has not happened."""
    return None if moment is None else iso(datetime.fromtimestamp(moment, UTC))
