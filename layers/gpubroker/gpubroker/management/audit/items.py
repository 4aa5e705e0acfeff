"""The audit log as DynamoDB items. Table keys, and why they are so: docs/management.md.

AUDIT#<chain>             <moment>#<sequence>            an entry: its text and the hash of it
AUDIT                     HEAD#<chain>                   the last entry of a chain
AUDIT                     CHECKPOINT#<chain>             up to where the chain was found to be whole
AUDIT#SUBJECT#<subject>   <moment>#<chain>#<sequence>    where an entry about a subject stands
AUDIT#TYPE#<type>         <moment>#<chain>#<sequence>    where an entry of a type stands
AUDIT#EVENT#<event id>    ENTRY                          that an event was recorded
"""

from pynamodb.attributes import UnicodeAttribute

from gpubroker.management.audit.entry import Entry, Head, hash_of
from gpubroker.storage.table import Item, Table

HEADS = "AUDIT"


def chain_pk(chain: int) -> str:
    return f"AUDIT#{chain}"


class EntryItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    text = UnicodeAttribute()
    hash = UnicodeAttribute()

    @classmethod
    def of(cls, entry: Entry) -> "EntryItem":
        text = entry.text()
        return cls(pk=chain_pk(entry.chain), sk=entry.key, text=text, hash=hash_of(text))


class HeadItem(Item):
    """`version` is the sequence of the last entry."""

    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    hash = UnicodeAttribute()
    recorded_at = UnicodeAttribute()

    @classmethod
    def of(cls, head: Head, kind: str = "HEAD") -> "HeadItem":
        return cls(
            pk=HEADS, sk=f"{kind}#{head.chain}", version=head.sequence, hash=head.hash, recorded_at=head.recorded_at
        )

    def value(self) -> Head:
        chain = int(self.sk.partition("#")[2])
        return Head(chain=chain, sequence=int(self.version or 0), hash=self.hash, recorded_at=self.recorded_at)


class PointerItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    type = UnicodeAttribute()

    @classmethod
    def all_of(cls, entry: Entry) -> list["PointerItem"]:
        place = f"{entry.recorded_at}#{entry.chain}#{entry.sequence:012d}"
        keys = [f"AUDIT#TYPE#{entry.type}", *(f"AUDIT#SUBJECT#{subject}" for subject in entry.subjects)]
        return [cls(pk=key, sk=place, type=entry.type) for key in keys]


class RecordedItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    place = UnicodeAttribute()

    @classmethod
    def of(cls, event_id: str, place: str = "") -> "RecordedItem":
        return cls(pk=f"AUDIT#EVENT#{event_id}", sk="ENTRY", place=place)
