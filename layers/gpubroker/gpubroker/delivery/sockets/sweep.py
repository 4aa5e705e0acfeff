"""Connections whose end we were never told of: after two hours API Gateway has ended them, whatever we know.

Each run looks at the spans of ten minutes that are over since the last one, however long ago that was.
"""

import time
from collections.abc import Callable

from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.delivery.sockets.connections import SPAN_SECONDS, Connections
from gpubroker.storage.table import Item, Table

_FIRST_LOOK_SPANS = 18


class SweptItem(Item):
    """span: the last one that was swept whole."""

    class Meta(Table):
        env = "DELIVERY_TABLE"

    span = NumberAttribute()


class Sweep:
    def __init__(self, *, connections: Connections, clock: Callable[[], float] = time.time) -> None:
        self._connections, self._clock = connections, clock

    def run(self) -> int:
        """How many connections were removed."""
        over = int(self._clock()) // SPAN_SECONDS - 1
        removed = 0
        for span in range(self._swept(over) + 1, over + 1):
            removed += sum(self._connections.remove(connection_id) for connection_id in self._connections.ending(span))
            SweptItem("SOCKETS", "SWEPT", span=span).save()
        return removed

    def _swept(self, over: int) -> int:
        try:
            return int(SweptItem.get("SOCKETS", "SWEPT", consistent_read=True).span)
        except DoesNotExist:
            return over - _FIRST_LOOK_SPANS
