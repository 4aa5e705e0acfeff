"""What thresholds need of others; joined in composition/thresholds.py."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from gpubroker.usage.thresholds.threshold import Span


class Totals(Protocol):
    """What the metering has counted. The same context's, behind a protocol so that rules can be tried without it."""

    def of(self, user_id: str, instance_id: str | None, span: Span) -> Mapping[str, Decimal]:
        """The sum of each cumulative metric of a user (or of one instance) over a period, as far as it is counted."""
        ...


class Callbacks(Protocol):
    """Addresses that are called for one threshold: signed, tried again, stopped when they are dead. By delivery."""

    def make(self, threshold_id: str, url: str) -> tuple[str, str]:
        """Keep an address; the id it is known by, and its secret, which is shown once. Raises Invalid on `url`."""
        ...

    def move(self, threshold_id: str, callback_id: str, url: str) -> None:
        """Call another address, and start again what had been stopped. Raises Invalid on `url`."""
        ...

    def forget(self, threshold_id: str, callback_id: str) -> None:
        """Call nobody any more. What is forgotten already is no error."""
        ...
