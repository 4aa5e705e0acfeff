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

    def keep(self, threshold_id: str, callback_id: str | None, url: str) -> tuple[str, str | None]:
        """Have this address called, and no other; start again what had been stopped. Raises Invalid on `callback_url`.

        callback_id: the one that is kept so far. The id that it is known by from now on, and the secret of a new one,
        which is shown once.
        """
        ...

    def forget(self, threshold_id: str) -> None:
        """Call nobody any more. What is forgotten already is no error."""
        ...
