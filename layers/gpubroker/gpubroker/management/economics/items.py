"""Economic metrics as DynamoDB items, in the ManagementTable.

ECONOMICS#<shard>      DAY#<day>      what was counted of a day (UTC), by facts that fall to this shard
ECONOMICS#<shard>      MONTH#<month>  the payers of a month; everything else of a month is the sum of its days
ECONOMICS#EVENT#<id>   MARK           a fact that was counted; sixty days
<account>#PAID         <day or month> that an account paid in it

The shard is picked by the fact's id: one day is the present, and one item takes a few hundred transactions a second.
"""

import zlib

from pynamodb.attributes import NumberAttribute

from gpubroker.storage.table import Item, Table

SHARDS = 8


class SpanItem(Item):
    """Of a day or a month. An attribute that is not there is zero."""

    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    gross_volume = NumberAttribute(null=True)
    seller_net = NumberAttribute(null=True)
    buyer_fees = NumberAttribute(null=True)
    seller_fees = NumberAttribute(null=True)
    refunds = NumberAttribute(null=True)
    buyer_fees_returned = NumberAttribute(null=True)
    seller_fees_returned = NumberAttribute(null=True)
    deposits = NumberAttribute(null=True)
    deposits_returned = NumberAttribute(null=True)
    withdrawals = NumberAttribute(null=True)
    withdrawals_returned = NumberAttribute(null=True)
    payouts = NumberAttribute(null=True)
    payouts_returned = NumberAttribute(null=True)
    credits_granted = NumberAttribute(null=True)
    credits_taken_back = NumberAttribute(null=True)
    spending = NumberAttribute(null=True)
    spending_returned = NumberAttribute(null=True)
    rental_charges = NumberAttribute(null=True)
    settlements = NumberAttribute(null=True)
    reversals = NumberAttribute(null=True)
    transfers = NumberAttribute(null=True)
    rentals_ended = NumberAttribute(null=True)
    instance_seconds = NumberAttribute(null=True)
    gpu_seconds = NumberAttribute(null=True)
    payers = NumberAttribute(null=True)

    @classmethod
    def partition(cls, shard: int) -> str:
        return f"ECONOMICS#{shard}"

    @classmethod
    def of(cls, event_id: str, span: str) -> "SpanItem":
        return cls(cls.partition(shard_of(event_id)), span)

    def counted(self, name: str) -> int:
        """One of measures.METRICS, or `payers`."""
        return int(getattr(self, name) or 0)


class MarkItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    @classmethod
    def of(cls, event_id: str, *, expires_at: int | None = None) -> "MarkItem":
        return cls(f"ECONOMICS#EVENT#{event_id}", "MARK", expires_at=expires_at)


class PaidItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    @classmethod
    def of(cls, account: str, span: str, *, expires_at: int | None = None) -> "PaidItem":
        return cls(f"{account}#PAID", span, expires_at=expires_at)


def shard_of(event_id: str) -> int:
    return zlib.crc32(event_id.encode()) % SHARDS
