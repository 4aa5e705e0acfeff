"""Analytics as DynamoDB items. Table keys, and why they are so: docs/management.md.

ANALYTICS                      TYPES                      how many types there are
ANALYTICS#TYPE                 <type>                     that a type is known
ANALYTICS#EVENT#<type>#<day>   <moment>#<id>              an event as it was told; gone after 90 days
ANALYTICS#HOUR#<type>          <hour>#<shard>             how many came in an hour
ANALYTICS#DAY#<type>           <day>#<shard>              how many came on a day (UTC)
"""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.storage.table import Item, Table


class TypeItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    first_at = UnicodeAttribute()


class TypesItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    count = NumberAttribute(default=0)  # type: ignore[assignment]


class EventItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    text = UnicodeAttribute()


class CountItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    events = NumberAttribute(default=0)
