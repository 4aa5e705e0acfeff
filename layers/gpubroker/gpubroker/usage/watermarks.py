"""Up to when answers are complete: so that silence is not mistaken for zero.

Each beat of the metering puts a heartbeat into every partition of the stream, behind all that was taken before it. The
aggregation notes a heartbeat when everything before it is counted. So what was taken before the oldest of the newest
heartbeats of all partitions is counted; later is not known yet, not even as zero. Nothing moves on while the metering,
the stream or the aggregation stands still.

This is about when an event was taken. One that its sender sends late is counted into its own hour, even an old one.
"""

from gpubroker.usage.items import WatermarkItem
from gpubroker.usage.stream import PARTITIONS, partition_of

TOTALS_LAG_MS = 8 * 60_000
"""An organisation's total holds what was counted this long before the last sweep: five minutes until a user's hour is
due, a sweep's minute for it and another for the organisation's, and one for the table's stream."""
_PK = "WATERMARK"
SWEEP = "~sweep"


def complete_until_ms(instance_id: str | None = None, *, organisation: bool = False) -> int | None:
    """Epoch milliseconds, of an instance or of everything; None while it is unknown."""
    newest: dict[str, int] = {}
    for shard in _raw():
        for partition, moment in shard.items():
            if partition.startswith("u") or partition == SWEEP:
                newest[partition] = max(moment, newest.get(partition, 0))
    if instance_id is not None:
        return newest.get(partition_of(instance_id))
    beats = [newest.get(f"u{number:02d}") for number in range(PARTITIONS)]
    if organisation:
        swept = newest.get(SWEEP)
        beats.append(None if swept is None else swept - TOTALS_LAG_MS)
    known = [moment for moment in beats if moment is not None]
    return min(known) if len(known) == len(beats) else None


def note_sweep(at_ms: int) -> None:
    """Everything that was due at this moment has been done."""
    from pynamodb.expressions.operand import Path

    WatermarkItem(_PK, SWEEP).update(actions=[Path(SWEEP).set({"N": str(at_ms)})])


def _raw() -> list[dict[str, int]]:
    """The items as they are: a model would drop attributes that it does not know."""
    connection = WatermarkItem._get_connection()
    answer = connection.query(_PK, consistent_read=True)
    return [{name: int(value["N"]) for name, value in item.items() if "N" in value} for item in answer.get("Items", [])]
