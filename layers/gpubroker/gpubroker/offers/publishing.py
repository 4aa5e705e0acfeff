"""From the table to Redis: what a stream tells of changed parts, and on a schedule everything (R10.2, R8.3).

Nothing here is trusted to come in order or only once: shared.py never replaces newer by older. While Redis is away the
stream's batches are tried again, until they are too old to matter; the schedule then brings what was lost.
"""

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpubroker.offers import shared, store
from gpubroker.offers.parts import Stored
from gpubroker.offers.state import PartState

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

_PART = "PART#"
_BUCKET = "BUCKET#"


@dataclass(slots=True)
class _Changes:
    """What a batch says of one part: the newest of each thing, and the first record that said anything."""

    sequence: str
    state: PartState | None = None
    buckets: dict[str, Stored] = field(default_factory=dict)


class Publisher:
    """client: gives the Redis client, or None where there is none (then there is nothing to do)."""

    def __init__(self, client: "Callable[[], Redis | None]", providers: tuple[str, ...], ttl_s: float) -> None:
        self._client, self._providers, self._ttl_s = client, providers, ttl_s

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """A stream's batch, or anything else: then all parts."""
        client = self._client()
        if client is None:
            return {"batchItemFailures": []}
        return self._batch(client, event["Records"]) if "Records" in event else self._everything(client)

    def _batch(self, client: "Redis", records: list[dict[str, Any]]) -> dict[str, Any]:
        changes: dict[str, _Changes] = {}
        failed: list[str] = []
        for record in records:
            sequence = record["dynamodb"]["SequenceNumber"]
            try:
                _collect(record, sequence, changes)
            except (LookupError, ValueError, TypeError) as error:
                log.error("record unreadable", extra={"sequence": sequence, "error": repr(error)})
                failed.append(sequence)
        from redis import RedisError

        for provider, change in changes.items():
            try:
                shared.publish(client, provider, change.state, change.buckets, ttl_s=self._ttl_s)
            except (RedisError, OSError) as error:
                log.error("part not published", extra={"provider": provider, "error": repr(error)})
                failed.append(change.sequence)
        return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}

    def _everything(self, client: "Redis") -> dict[str, Any]:
        """All parts as they are stored; those of providers that are no longer ours go (offers/reconcile.py drops the
        stored ones)."""
        states = store.states_of(self._providers)
        for provider, state in states.items():
            shared.publish(client, provider, state, store.listings_of(provider, state.buckets), ttl_s=self._ttl_s)
        former = sorted(set(shared.states_of(client)) - set(self._providers))
        for provider in former:
            shared.forget(client, provider)
        return {"published": sorted(states), "forgotten": former}


def _collect(record: dict[str, Any], sequence: str, changes: dict[str, _Changes]) -> None:
    image = record["dynamodb"].get("NewImage")
    if not image or not image["pk"]["S"].startswith(_PART):
        return  # a bucket that was removed is missing from the state that was written with its removal
    provider, sort_key = image["pk"]["S"].removeprefix(_PART), image["sk"]["S"]
    change = changes.setdefault(provider, _Changes(sequence))
    if sort_key.startswith(_BUCKET):
        stored = Stored(int(image["version"]["N"]), base64.b64decode(image["listing"]["B"]))
        change.buckets[sort_key.removeprefix(_BUCKET)] = stored
    elif image.get("state"):
        change.state = PartState.from_json(image["state"]["S"])
