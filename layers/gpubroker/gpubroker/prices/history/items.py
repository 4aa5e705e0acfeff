"""History in PricesTable.

    OFFER#<offer>         POINT#<moment>#<mark>         a change of one offer: raw history
    OFFER#<offer>         DAY#<day>                     an offer's day and its hours, written when the day is over
    HOUR#<hour>#<gpu>     POINT#<moment>#<offer>#<mark> the same change, for the roll-ups of its hour
    HOUR#<hour>#<gpu>     MARKET#<n>                    what the market asked in that hour, packed; n by the offer's id
    LOOKS                 <hour>                        that the market was looked at in that hour
    HOURLY#<series>       <hour>                        a roll-up
    DAILY#<series>        <day>
    ROLLUPS               hour|day|final#<start>#<gpu>  what has to be rolled up (again); `stamp` changes when it does

Hours are `2026-05-24T10`, days `2026-05-24`, in UTC.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.kernel.time import iso
from gpubroker.prices.history.aggregate import Observation
from gpubroker.storage.table import Item, Table

MARKET_PARTS = 16
POINT = "POINT#"
DAY = "DAY#"
MARKET = "MARKET#"
DUE = "ROLLUPS"
LOOKS = "LOOKS"


class HistoryItem(Item):
    class Meta(Table):
        env = "PRICES_TABLE"

    at_ms = NumberAttribute(null=True)
    price = NumberAttribute(null=True)
    old_price = NumberAttribute(null=True)
    offer_id = UnicodeAttribute(null=True)
    provider = UnicodeAttribute(null=True)
    gpu_type = UnicodeAttribute(null=True)
    region = UnicodeAttribute(null=True)
    spot = BooleanAttribute(null=True)
    event_id = UnicodeAttribute(null=True)
    rows = BinaryAttribute(null=True, legacy_encoding=False)
    stats = UnicodeAttribute(null=True)
    stamp = UnicodeAttribute(null=True)


def hour_text(moment: datetime) -> str:
    return iso(moment)[:13]


def day_text(moment: datetime) -> str:
    return iso(moment)[:10]


def hour_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)


def day_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def hour_key(hour: str, gpu_type: str) -> str:
    return f"HOUR#{hour}#{gpu_type}"


def offer_key(offer_id: str) -> str:
    return f"OFFER#{offer_id}"


def market_part(offer_id: str) -> str:
    return f"{MARKET}{zlib.crc32(offer_id.encode()) % MARKET_PARTS:02d}"


def expiry(moment: datetime, kept: timedelta) -> int:
    return int((moment + kept).timestamp())


def packed_rows(rows: list[Any]) -> bytes:
    return zlib.compress(orjson.dumps([tuple(row) for row in rows]), 6)


def observations_of(item: HistoryItem) -> list[Observation]:
    """What an item of an hour tells: one change, or a part of the market."""
    if item.rows is not None:
        return [Observation(*row) for row in orjson.loads(zlib.decompress(item.rows))]
    return [Observation(int(item.at_ms), int(item.price), item.offer_id, item.provider, item.region, bool(item.spot))]
