"""The base of every stored item: one table per context, string keys, and one DynamoDB client for all models."""

import os
from functools import cache
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection.table import TableConnection
from pynamodb.models import Model


class _NamedByEnvironment(type):
    """A Meta whose `table_name` is read on use, since nothing reads the environment at import."""

    env: str

    @property
    def table_name(cls) -> str:
        try:
            return os.environ[cls.env]
        except KeyError:
            raise RuntimeError(f"the environment variable {cls.env} names no table") from None


class Table(metaclass=_NamedByEnvironment):
    """Base of a model's `Meta`: `class Meta(Table): env = "RENTALS_TABLE"`."""

    env = ""
    # A Lambda waits rather briefly and tries again: the default of 15 s is longer than most callers stay.
    connect_timeout_seconds = 2
    read_timeout_seconds = 5
    max_retry_attempts = 3


@cache
def _shared(region: str, host: str | None) -> list[Any]:
    """Where the client of a region and endpoint is kept: pynamodb makes one per model, 40 ms each."""
    return []


class Item(Model):
    """pk and sk; the tenant comes first in every partition key of tenants' data (DESIGN §3).

    version     counts the writes of an item that changes; conditions compare it (no clocks as versions)
    expires_at  epoch seconds of DynamoDB's TTL; the deletion may lag by days, so readers check it themselves
    """

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    version = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        table = super()._get_connection()
        connection = table.connection
        kept = _shared(connection.region, os.environ.get("AWS_ENDPOINT_URL"))
        if not kept:
            kept.append(connection.client)
        connection._client = kept[0]
        return table
