"""What was set aside of the price stream (docs/prices.md, "Redrive"); how it comes again: messaging/aside.py."""

from collections.abc import Callable
from typing import Any

from gpubroker.messaging.aside import Queue, Redrive, Refused
from gpubroker.messaging.price_stream import FIELDS, packed
from gpubroker.prices.detection import Detection
from gpubroker.prices.states import States


def queue() -> Queue:
    """Of records that hold no price changes, and of batches that AWS gave up."""
    return Queue("UNREAD_PRICES_QUEUE_URL", records="price record", contents="changes")


def redrive(states: States, clock_ms: Callable[[], int]) -> Redrive:
    """Bring it to the detector again."""
    return Redrive(queue(), Detection(states, Refused(), clock_ms).take, _packed)


def _packed(changes: list[dict[str, Any]]) -> bytes:
    return packed([{name: change.get(name) for name in FIELDS} for change in changes])
