"""Usage as DynamoDB items. Table keys, and why they are so: docs/usage.md.

<user>#USAGE#<day>     <hh>#<instance>     an hour of an instance: periods, sums, the events themselves (hour.py)
                       gsi1: INSTANCE#<instance>, <hour>#<user>
<user>#PENDING         HOUR#<hour>         a user's hour whose total is to be made (again)
                                           gsi1: DUE#<shard>, <when>#<hour>
                       DAY#<day>           a day whose instances' days are to be made (again)
<user>#TOTALS          HOUR#<hour>, DAY#<day>          a user's totals
<user>#TOTALS          INSTANCE#<instance>#<day>       an instance's days
<org>#ORG#TOTALS, <org>#ORG#PENDING        the same of an organisation
<org>#ORG#PARTS        HOUR#<hour>#<user>  what a user's instances add to an hour of an organisation
WATERMARK              <shard>             up to when everything taken is counted, by partition
METER                  CURSOR              up to when running rentals are metered
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.storage.due import DueIndex, DueItem
from gpubroker.storage.table import Item, Table
from gpubroker.usage.hour import Stored

HOUR_KIND = "hour"
"""`kind` of the items whose changes the totals follow."""


def day_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def hour_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H")


def moment_of(text: str) -> int:
    """Epoch milliseconds of a day or an hour as above."""
    return int(datetime.fromisoformat(text + (":00" if "T" in text else "")).replace(tzinfo=UTC).timestamp()) * 1000


def hour_key(user_id: str, instance_id: str, hour_ms: int) -> tuple[str, str]:
    text = hour_text(hour_ms)
    return f"{user_id}#USAGE#{text[:10]}", f"{text[11:]}#{instance_id}"


def hour_of_key(pk: str, sk: str) -> tuple[str, str, int]:
    """(user, instance, when the hour begins) of such a key."""
    user_id, _, day = pk.rsplit("#", 2)
    hour, _, instance_id = sk.partition("#")
    return user_id, instance_id, moment_of(f"{day}T{hour}")


def instance_pk(instance_id: str) -> str:
    return f"INSTANCE#{instance_id}"


class HourItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    instances = DueIndex()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    kind = UnicodeAttribute(default=HOUR_KIND)
    periods = BinaryAttribute(legacy_encoding=False, null=True)
    ids = BinaryAttribute(legacy_encoding=False, null=True)
    sums = UnicodeAttribute()
    pieces = BinaryAttribute(legacy_encoding=False, null=True)
    conflicts = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, user_id: str, instance_id: str, hour_ms: int, stored: Stored, expires_at: int) -> "HourItem":
        return cls(
            *hour_key(user_id, instance_id, hour_ms),
            version=stored.version,
            expires_at=expires_at,
            gsi1pk=instance_pk(instance_id),
            gsi1sk=f"{hour_text(hour_ms)}#{user_id}",
            kind=HOUR_KIND,
            periods=stored.periods or None,
            ids=stored.ids or None,
            sums=stored.sums.decode(),
            pieces=b"".join(len(piece).to_bytes(4, "big") + piece for piece in stored.pieces) or None,
            conflicts="\n".join(stored.conflicts) or None,
        )

    def value(self) -> Stored:
        return Stored(
            int(self.version or 0),
            bytes(self.periods or b""),
            bytes(self.ids or b""),
            self.sums.encode(),
            list(_cut(bytes(self.pieces or b""))),
            self.conflicts.split("\n") if self.conflicts else [],
        )


def _cut(joined: bytes) -> Iterator[bytes]:
    """Pieces, each behind its length in four bytes."""
    at = 0
    while at < len(joined):
        start = at + 4
        at = start + int.from_bytes(joined[at:start], "big")
        yield joined[start:at]


class TotalItem(Item):
    """Totals of an hour or a day: Sums by organisation as JSON (arbitrary integers), and how many instances."""

    class Meta(Table):
        env = "USAGE_TABLE"

    sums = UnicodeAttribute()
    instances = NumberAttribute(default=0)
    conflicts = NumberAttribute(default=0)
    last_ms = NumberAttribute(default=0)


class PendingItem(DueItem):
    class Meta(Table):
        env = "USAGE_TABLE"

    due_name = "DUE"
    due = DueIndex()
    stamp = UnicodeAttribute()


class WatermarkItem(Item):
    """One attribute a partition, named as its key; read as it is stored."""

    class Meta(Table):
        env = "USAGE_TABLE"


class CursorItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    until_ms = NumberAttribute()
    stretches = BinaryAttribute(legacy_encoding=False, null=True)
