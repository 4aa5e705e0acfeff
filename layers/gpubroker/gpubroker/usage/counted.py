"""What is counted already, for those who send: an early word on repeats and on periods that overlap."""

from collections.abc import Sequence

from gpubroker.usage.event import Usage
from gpubroker.usage.ingest import Wrong


class CountedHours:
    """usage.ingest.Counted over the hours in the table."""

    def against(self, events: Sequence[Usage]) -> tuple[set[int], dict[int, Wrong]]:
        return set(), {}
