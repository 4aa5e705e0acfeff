"""moto copies the whole table once for each item of a transaction, to be able to roll back: a transaction of ten items
in a table of two hundred copies two thousand. Here it copies what the transaction touches, once.

What it does with the copies is left to it: a transaction that is refused puts the copied tables in their places.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch


@contextmanager
def lean() -> Iterator[None]:
    from moto.dynamodb import models
    from moto.dynamodb.models.table import Table

    real = models.DynamoDBBackend.transact_write_items
    under_way: list[_Backups] = []

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        under_way.append(_Backups(transact_items))
        try:
            real(backend, transact_items)
        finally:
            under_way.pop()

    def deepcopy(value: Any) -> Any:
        return under_way[-1].of(value) if under_way and isinstance(value, Table) else copy.deepcopy(value)

    with (
        patch.object(models.DynamoDBBackend, "transact_write_items", transact_write_items),
        patch.object(models, "copy", SimpleNamespace(copy=copy.copy, deepcopy=deepcopy)),
    ):
        yield


class _Backups:
    """The tables of one transaction as they were before it."""

    def __init__(self, transact_items: list[dict[str, Any]]) -> None:
        self._operations = [next(iter(item.values())) for item in transact_items if item]
        self._made: dict[str, Any] = {}

    def of(self, table: Any) -> Any:
        if table.name not in self._made:
            self._made[table.name] = self._backup(table)
        return self._made[table.name]

    def _backup(self, table: Any) -> Any:
        backup = copy.copy(table)
        backup.items = copy.copy(table.items)
        if table.has_range_key:
            for key, items in table.items.items():
                backup.items[key] = dict(items)
        backup.stream_shard = copy.copy(table.stream_shard)
        if table.stream_shard is not None:
            backup.stream_shard.items = list(table.stream_shard.items)
        for operation in self._operations:
            if operation.get("TableName") == table.name:
                self._keep(table, backup, operation.get("Key") or operation.get("Item") or {})
        return backup

    def _keep(self, table: Any, backup: Any, attributes: dict[str, Any]) -> None:
        """An update changes the item itself: the backup has it as it is now."""
        from moto.dynamodb.models.dynamo_type import DynamoType

        hash_key = DynamoType(attributes[table.hash_key_attr])
        if not table.has_range_key:
            if hash_key in backup.items:
                backup.items[hash_key] = copy.deepcopy(backup.items[hash_key])
            return
        range_key = DynamoType(attributes[table.range_key_attr])
        if hash_key in backup.items and range_key in backup.items[hash_key]:
            backup.items[hash_key][range_key] = copy.deepcopy(backup.items[hash_key][range_key])
