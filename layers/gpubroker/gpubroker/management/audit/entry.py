"""An entry of the audit log, and what chains it to the one before it. Pure.

An entry is canonical JSON, its hash is SHA-256 of that text, and the text holds the hash of the entry before it: to
change one is to change all after it. There are eight chains, so that writers seldom meet; everything about one subject
stands in one of them, in order.
"""

import hashlib
import json
import zlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from gpubroker.kernel.time import iso
from gpubroker.management.canonical import canonical

CHAINS = 8
GENESIS = "0" * 64
"""What the first entry of a chain takes for the hash of the one before it."""
MOST_SUBJECTS = 8


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be recorded, without secrets.

    subjects  what it is about: ids of users, orders, accounts, clusters; the first one decides the chain
    actor     who told of it: a service, an administrator, or the context whose fact it is
    event_id  where the same event may be told twice
    """

    type: str
    data: dict[str, Any]
    subjects: tuple[str, ...]
    actor: str
    event_id: str | None = None

    @property
    def chain(self) -> int:
        return zlib.crc32(self.subjects[0].encode()) % CHAINS


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain; sequence 0 while there is none."""

    chain: int
    sequence: int = 0
    hash: str = GENESIS
    recorded_at: str = ""

    @property
    def key(self) -> str:
        """Where it stands in its chain."""
        return f"{self.recorded_at}#{self.sequence:012d}"


@dataclass(frozen=True, slots=True)
class Entry:
    chain: int
    sequence: int
    recorded_at: str
    type: str
    subjects: tuple[str, ...]
    actor: str
    event_id: str | None
    data: dict[str, Any]
    prev_hash: str

    def text(self) -> str:
        """What is stored and hashed."""
        return canonical({**asdict(self), "subjects": list(self.subjects)})

    @property
    def key(self) -> str:
        """Where it stands in its chain."""
        return f"{self.recorded_at}#{self.sequence:012d}"

    @classmethod
    def of(cls, text: str) -> "Entry":
        """Raises ValueError or TypeError for what is no entry."""
        told = json.loads(text)
        return cls(**{**told, "subjects": tuple(told["subjects"])})


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def following(head: Head, event: Event, now: datetime) -> Entry:
    """The entry after `head`. Time never runs backwards in a chain, whatever the clocks of its writers say."""
    return Entry(
        chain=head.chain,
        sequence=head.sequence + 1,
        recorded_at=max(iso(now), head.recorded_at),
        type=event.type,
        subjects=event.subjects,
        actor=event.actor,
        event_id=event.event_id,
        data=event.data,
        prev_hash=head.hash,
    )


_SUBJECT_FIELDS = (
    "subject",
    "subjectId",
    "subject_id",
    "userId",
    "user_id",
    "accountId",
    "account_id",
    "orderId",
    "order_id",
    "transactionId",
    "transaction_id",
    "rentalId",
    "rental_id",
    "settlementId",
    "settlement_id",
    "clusterId",
    "cluster_id",
    "orgId",
    "org_id",
    "resourceId",
    "resource_id",
)


def subjects_of(data: dict[str, Any], first: str | None, otherwise: str) -> tuple[str, ...]:
    """What an event is about: what is said to be its subject, then the ids in its data by their usual names."""
    found = [first] if first else []
    found += [value for name in _SUBJECT_FIELDS if isinstance(value := data.get(name), str) and _may_be_id(value)]
    return tuple(dict.fromkeys(found))[:MOST_SUBJECTS] or (otherwise,)


def _may_be_id(value: str) -> bool:
    return 0 < len(value) <= 128 and "#" not in value and value.isprintable()
