"""What the table's stream tells of hours, for the totals. Noting a change twice is harmless."""

from typing import Any

import orjson

from gpubroker.messaging.log import logger
from gpubroker.usage.items import HOUR_KIND, hour_of_key
from gpubroker.usage.pending import note


def note_changes(records: list[dict[str, Any]], now_ms: int) -> dict[str, Any]:
    """Note the hours of a batch. When the table refuses, all of it is brought again: one write an hour of a user."""
    changed: dict[tuple[str, int], bool] = {}
    for record in records:
        image = record["dynamodb"].get("NewImage")
        if not image or image.get("kind", {}).get("S") != HOUR_KIND:
            continue
        try:
            user_id, _, hour_ms = hour_of_key(image["pk"]["S"], image["sk"]["S"])
            shared = any(orjson.loads(image["sums"]["S"]))
        except (KeyError, ValueError) as error:
            # Not ours to mend by trying again; the others go on, the queue on failure gets this one.
            sequence = record["dynamodb"]["SequenceNumber"]
            logger().error("hour unreadable", extra={"sequence": sequence, "error": repr(error)})
            return _noted(changed, now_ms) | {"batchItemFailures": [{"itemIdentifier": sequence}]}
        changed[user_id, hour_ms] = changed.get((user_id, hour_ms), False) or shared
    return _noted(changed, now_ms)


def _noted(changed: dict[tuple[str, int], bool], now_ms: int) -> dict[str, Any]:
    note(((user_id, hour_ms, shared) for (user_id, hour_ms), shared in changed.items()), now_ms)
    return {"batchItemFailures": []}
