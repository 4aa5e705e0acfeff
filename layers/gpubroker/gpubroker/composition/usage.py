"""What usage needs of others (usage/ports.py), and its use cases."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.usage.ingest import Ingest


@cache
def usage_ingest() -> "Ingest":
    """What takes events. It speaks to Kinesis: outside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.counted import CountedHours
    from gpubroker.usage.ingest import Ingest
    from gpubroker.usage.sink import StreamSink

    return Ingest(StreamSink(), CountedHours(), utc_now)
