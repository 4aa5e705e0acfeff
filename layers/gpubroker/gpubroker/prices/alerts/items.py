"""Alerts as DynamoDB items.

<tenant>#ALERT       <alert id>              the alert, one JSON document
<tenant>#ALERTCOUNT  COUNT                   how many there are
WATCH#<partition>    <threshold>#<alert id>  an entry of the index (index.py): whose alert it is, nothing else
FANOUT#<fan-out id>  PAGE#<number>           the alerts that one change meets and one step fires; two weeks
"""

from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.prices.alerts.alert import Alert
from gpubroker.storage.table import Item, Table


@cache
def _json() -> TypeAdapter[Alert]:
    return TypeAdapter(Alert)


def alerts_pk(tenant: str) -> str:
    return f"{tenant}#ALERT"


class AlertItem(Item):
    """The one that names the table for transactions, outbox and idempotency too."""

    class Meta(Table):
        env = "PRICES_TABLE"

    alert = UnicodeAttribute()

    @classmethod
    def of(cls, alert: Alert) -> "AlertItem":
        document = _json().dump_json(alert, exclude_defaults=True).decode()
        return cls(pk=alerts_pk(alert.tenant), sk=alert.alert_id, version=alert.version, alert=document)

    def value(self) -> Alert:
        return _json().validate_json(self.alert)


class CountItem(Item):
    class Meta(Table):
        env = "PRICES_TABLE"

    alerts = NumberAttribute(default=0)

    @classmethod
    def of(cls, tenant: str) -> "CountItem":
        return cls(pk=f"{tenant}#ALERTCOUNT", sk="COUNT")


class WatchItem(Item):
    class Meta(Table):
        env = "PRICES_TABLE"

    tenant = UnicodeAttribute()


class PageItem(Item):
    class Meta(Table):
        env = "PRICES_TABLE"

    page = UnicodeAttribute()
