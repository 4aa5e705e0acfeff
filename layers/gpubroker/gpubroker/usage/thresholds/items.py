"""Thresholds as DynamoDB items, in the UsageTable.

<user>#THRESHOLD       <threshold id>                    a threshold, one JSON document; `*#THRESHOLD` for everybody's
<user>#THRESHOLDS      STAMP                             how many there are, and a counter that every change moves
THRESHOLDS             <threshold id>                    whose it is: what administrators list
<user>#WATCHED         INSTANCE#<instance id>            the newest reading of an instance, and what it was held against
<user>#WATCHED         SUM#<threshold id>#<subject>#<start>  at which sum a threshold of a period was told last
<threshold id>#CROSSED <moment>#<event id>               what was crossed; ninety days

The user whose usage it is is the tenant.
"""

from functools import cache

import orjson
from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.kernel.time import iso
from gpubroker.storage.table import Item, Table
from gpubroker.usage.thresholds.rules import Newest
from gpubroker.usage.thresholds.threshold import Span, Threshold

EVERY_THRESHOLD = "THRESHOLDS"


@cache
def _json() -> TypeAdapter[Threshold]:
    return TypeAdapter(Threshold)


@cache
def _newest_json() -> TypeAdapter[Newest]:
    return TypeAdapter(Newest)


def thresholds_pk(user_id: str) -> str:
    return f"{user_id}#THRESHOLD"


class ThresholdItem(Item):
    """The one that names the table for transactions, outbox and idempotency too."""

    class Meta(Table):
        env = "USAGE_TABLE"

    threshold = UnicodeAttribute()

    @classmethod
    def key(cls, threshold: Threshold) -> "ThresholdItem":
        return cls(thresholds_pk(threshold.user_id), threshold.threshold_id)

    @classmethod
    def of(cls, threshold: Threshold) -> "ThresholdItem":
        return cls(
            thresholds_pk(threshold.user_id),
            threshold.threshold_id,
            version=threshold.version,
            threshold=_json().dump_json(threshold, exclude_defaults=True).decode(),
        )

    def value(self) -> Threshold:
        return _json().validate_json(self.threshold)


class StampItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    thresholds = NumberAttribute(default=0)
    stamp = NumberAttribute(default=0)

    @classmethod
    def of(cls, user_id: str) -> "StampItem":
        return cls(f"{user_id}#THRESHOLDS", "STAMP")


class ListedItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    user_id = UnicodeAttribute()

    @classmethod
    def of(cls, threshold: Threshold) -> "ListedItem":
        return cls(EVERY_THRESHOLD, threshold.threshold_id, user_id=threshold.user_id)


def watched_pk(user_id: str) -> str:
    return f"{user_id}#WATCHED"


def instance_sk(instance_id: str) -> str:
    return f"INSTANCE#{instance_id}"


class NewestItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    newest = UnicodeAttribute()

    @classmethod
    def of(cls, user_id: str, instance_id: str, newest: Newest, *, expires_at: int) -> "NewestItem":
        return cls(
            watched_pk(user_id),
            instance_sk(instance_id),
            version=newest.version,
            expires_at=expires_at,
            newest=_newest_json().dump_json(newest).decode(),
        )

    def value(self) -> Newest:
        return _newest_json().validate_json(self.newest)


class SumItem(Item):
    """total: of the metric, in its own unit, as text: exact whatever its digits."""

    class Meta(Table):
        env = "USAGE_TABLE"

    total = UnicodeAttribute()
    revision = NumberAttribute()

    @classmethod
    def key(cls, user_id: str, threshold: Threshold, span: Span) -> tuple[str, str]:
        subject = threshold.instance_id or ""
        return watched_pk(user_id), f"SUM#{threshold.threshold_id}#{subject}#{iso(span.start)}"


class CrossedItem(Item):
    class Meta(Table):
        env = "USAGE_TABLE"

    detail = UnicodeAttribute()

    @classmethod
    def of(cls, threshold_id: str, event_id: str, detail: dict[str, object], *, expires_at: int) -> "CrossedItem":
        return cls(
            f"{threshold_id}#CROSSED",
            f"{detail['crossed_at']}#{event_id}",
            expires_at=expires_at,
            detail=orjson.dumps(detail | {"event_id": event_id}).decode(),
        )
