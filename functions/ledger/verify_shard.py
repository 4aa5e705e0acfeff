"""Step: adds up the entries of a shard's accounts, as far as its time goes."""

from typing import Any

from gpubroker.composition import books as composition
from gpubroker.messaging.tasks import task


def verify_shard(event: dict[str, Any]) -> dict[str, Any]:
    return composition.verify_shard(event["shard"], event["begun_at"], event.get("so_far"))


handler = task(verify_shard)
