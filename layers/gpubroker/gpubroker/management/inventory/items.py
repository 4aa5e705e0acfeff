"""Clusters and their resources as DynamoDB items.

CLUSTERS     <cluster id>    a cluster that is registered
RESOURCES    <cluster id>    what a cluster last said that it has
"""

from pynamodb.attributes import UnicodeAttribute

from gpubroker.storage.table import Item, Table

CLUSTERS = "CLUSTERS"
RESOURCES = "RESOURCES"


class ClusterItem(Item):
    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    name = UnicodeAttribute()
    status = UnicodeAttribute()
    endpoint = UnicodeAttribute()
    region = UnicodeAttribute()
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()


class ResourceItem(Item):
    """Amounts as decimal text."""

    class Meta(Table):
        env = "MANAGEMENT_TABLE"

    cpu = UnicodeAttribute()
    gpu = UnicodeAttribute()
    memory = UnicodeAttribute()
    received_at = UnicodeAttribute()
