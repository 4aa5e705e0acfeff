"""Into the Kinesis stream. What is told as taken has been taken: the service has answered for every record."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from gpubroker.kernel.errors import Unavailable
from gpubroker.messaging.log import logger
from gpubroker.resilience.backoff import Backoff
from gpubroker.usage.event import Usage
from gpubroker.usage.stream import beats, packed

_MOST_RECORDS = 500  # of one PutRecords
_MOST_BYTES = 4_500_000  # of its 5 MB, keys included
_AGAIN = Backoff(base_s=0.05, cap_s=0.5, tries=5)


class NotTaken(Unavailable):
    """The stream did not take all of it. Sending the same again is harmless."""

    code = "usage-not-taken"
    title = "The usage events were not all taken; send the same again"


class StreamSink:
    """The stream that USAGE_STREAM names."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def put(self, events: Sequence[Usage], received_ms: int) -> None:
        """Raises NotTaken when some records were refused to the end."""
        self._put(packed(events, received_ms))

    def beat(self, at_ms: int) -> None:
        """A heartbeat into every partition."""
        self._put(beats(at_ms))

    def _put(self, records: Iterable[tuple[str, bytes]]) -> None:
        for part in _in_calls({"PartitionKey": key, "Data": data} for key, data in records):
            self._send(part)

    def _send(self, entries: list[dict[str, Any]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        stream = os.environ["USAGE_STREAM"]
        trouble = ""
        for attempt in range(_AGAIN.tries):
            try:
                told = _client().put_records(StreamName=stream, Records=entries)["Records"]
                entries = [entry for entry, one in zip(entries, told, strict=True) if one.get("ErrorCode")]
                trouble = next((one["ErrorCode"] for one in told if one.get("ErrorCode")), "")
            except (BotoCoreError, ClientError) as error:
                trouble = repr(error)  # whether it was taken is unknown; twice does no harm
            if not trouble:
                return
            if attempt + 1 < _AGAIN.tries:
                self._sleep(_AGAIN.wait(attempt))
        logger().error("usage not taken", extra={"records": len(entries), "error": trouble})
        raise NotTaken("The stream is busy.", retry_after=1)


def _in_calls(entries: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        more = len(entry["Data"]) + len(entry["PartitionKey"])
        if part and (len(part) == _MOST_RECORDS or size + more > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(entry)
        size += more
    if part:
        yield part


@cache
def _client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client("kinesis", config=Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 1}))
