"""What usage needs of others (usage/ports.py), and its use cases."""

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.kernel.caller import Caller
    from gpubroker.usage.aggregation import Aggregation
    from gpubroker.usage.aside import Redrive
    from gpubroker.usage.current import CurrentUsage
    from gpubroker.usage.history import History
    from gpubroker.usage.ingest import Ingest
    from gpubroker.usage.totals import Totals


@cache
def usage_ingest() -> "Ingest":
    """What takes events. It speaks to Kinesis: outside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.counted import CountedHours
    from gpubroker.usage.hours import StoredHours
    from gpubroker.usage.ingest import Ingest
    from gpubroker.usage.sink import StreamSink

    return Ingest(StreamSink(), CountedHours(StoredHours()), utc_now)


@cache
def usage_aggregation() -> "Aggregation":
    """What counts the events of the stream."""
    from gpubroker.usage.aggregation import Aggregation
    from gpubroker.usage.aside import Queue
    from gpubroker.usage.hours import StoredHours

    return Aggregation(StoredHours(), Queue(), _now_ms)


@cache
def usage_redrive() -> "Redrive":
    from gpubroker.usage.aside import Queue, Redrive
    from gpubroker.usage.hours import StoredHours

    return Redrive(StoredHours(), _now_ms, Queue())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@cache
def usage_totals() -> "Totals":
    from gpubroker.usage.totals import Totals

    return Totals(_now_ms)


@cache
def usage_current() -> "CurrentUsage":
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.current import CurrentUsage

    return CurrentUsage(utc_now)


@cache
def usage_history() -> "History":
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.history import History

    return History(_Organisations(), utc_now)


class _Organisations:
    """usage.ports.Organisations: nobody is a member of any yet, so services and administrators see them alone."""

    def may_see_usage(self, caller: "Caller", org_id: str) -> bool:
        return False
