"""DynamoDB's items in memory, as far as the ledger uses them: for tests that make tens of thousands of calls.

It reads the expressions that pynamodb writes, refuses what DynamoDB refuses (two actions on one item, more than 100),
and stands where botocore makes its call. A whole call is one step, whichever thread makes it. tests/integration/ledger
holds it against moto.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import botocore.client
from botocore.exceptions import ClientError

Item = dict[str, Any]
_TOKENS = re.compile(r"\s*(#\w+|:\w+|<=|>=|<>|[=<>(),]|\w+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "<>": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class Store:
    """One table, whatever its name. `calls` counts the calls by operation."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.calls: Counter[str] = Counter()
        self._partitions: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
        self._lock = threading.Lock()

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        with self._lock:
            self.calls[operation] += 1
            return getattr(self, re.sub("(?=[A-Z])", "_", operation).lower())(arguments)

    # ---------------------------------------------------------------- reading

    def _get_item(self, asked: dict[str, Any]) -> Any:
        found = self.items.get(_key(asked["Key"]))
        return {"Item": deepcopy(found)} if found is not None else {}

    def _batch_get_item(self, asked: dict[str, Any]) -> Any:
        answers = {}
        for table, wanted in asked["RequestItems"].items():
            found = [self.items.get(_key(key)) for key in wanted["Keys"]]
            answers[table] = [deepcopy(item) for item in found if item is not None]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _query(self, asked: dict[str, Any]) -> Any:
        index = asked.get("IndexName", "")
        names, values = asked.get("ExpressionAttributeNames", {}), asked.get("ExpressionAttributeValues", {})
        partition = _partition(asked["KeyConditionExpression"], names, values, f"{index}pk")
        places = self._partitions.get((index, partition), {})
        keys = sorted(places, key=lambda key: (places[key], key), reverse=not asked.get("ScanIndexForward", True))
        if start := asked.get("ExclusiveStartKey"):
            keys = keys[keys.index(_key(start)) + 1 :]
        found: list[Item] = []
        looked_at, last = 0, None
        for key in keys:
            if looked_at == asked.get("Limit", 10_000):
                found_last = self.items[last]  # type: ignore[index]
                marks = ("pk", "sk", *((f"{index}pk", f"{index}sk") if index else ()))
                return {
                    "Items": found,
                    "Count": len(found),
                    "ScannedCount": looked_at,
                    "LastEvaluatedKey": {mark: found_last[mark] for mark in marks},
                }
            item = self.items[key]
            if not _holds(asked["KeyConditionExpression"], item, names, values):
                continue
            looked_at, last = looked_at + 1, key
            if "FilterExpression" not in asked or _holds(asked["FilterExpression"], item, names, values):
                found.append(deepcopy(item))
        return {"Items": found, "Count": len(found), "ScannedCount": looked_at}

    # ---------------------------------------------------------------- writing

    def _transact_write_items(self, asked: dict[str, Any]) -> Any:
        actions = [next(iter(action.items())) for action in asked["TransactItems"]]
        keys = [_key(action.get("Key") or action["Item"]) for _, action in actions]
        if len(set(keys)) < len(keys):
            raise _error("ValidationException", "Transaction request cannot include multiple operations on one item")
        if len(keys) > 100:
            raise _error("ValidationException", "Member must have length less than or equal to 100")
        refusals: list[dict[str, Any]] = []
        for key, (_, action) in zip(keys, actions, strict=True):
            refusals.append({"Code": "None"})
            if "ConditionExpression" in action and not self._condition(key, action):
                refusals[-1] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
                if action.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and key in self.items:
                    refusals[-1]["Item"] = deepcopy(self.items[key])
        if any(refusal["Code"] != "None" for refusal in refusals):
            raise cancelled(refusals)
        for key, (kind, action) in zip(keys, actions, strict=True):
            if kind == "Put":
                self._keep(key, deepcopy(action["Item"]))
            elif kind == "Update":
                self._keep(key, _updated(key, self.items.get(key, {}), action))
            elif kind == "Delete":
                self._forget(key)
        return {}

    def _update_item(self, asked: dict[str, Any]) -> Any:
        key = _key(asked["Key"])
        if "ConditionExpression" in asked and not self._condition(key, asked):
            raise _error("ConditionalCheckFailedException", "The conditional request failed")
        self._keep(key, _updated(key, self.items.get(key, {}), asked))
        return {}

    def _condition(self, key: tuple[str, str], action: dict[str, Any]) -> bool:
        return _holds(
            action["ConditionExpression"],
            self.items.get(key, {}),
            action.get("ExpressionAttributeNames", {}),
            action.get("ExpressionAttributeValues", {}),
        )

    def _keep(self, key: tuple[str, str], item: Item) -> None:
        self._forget(key)
        self.items[key] = item
        self._partitions.setdefault(("", key[0]), {})[key] = key[1]
        if "gsi1pk" in item and "gsi1sk" in item:
            self._partitions.setdefault(("gsi1", item["gsi1pk"]["S"]), {})[key] = item["gsi1sk"]["S"]

    def _forget(self, key: tuple[str, str]) -> None:
        before = self.items.pop(key, None)
        if before is None:
            return
        del self._partitions["", key[0]][key]
        if "gsi1pk" in before and "gsi1sk" in before:
            del self._partitions["gsi1", before["gsi1pk"]["S"]][key]


class Contended(Store):
    """A transaction takes some milliseconds, in which DynamoDB lets no other touch its items."""

    def __init__(self, seconds: float = 0.004) -> None:
        super().__init__()
        self.seconds, self.conflicts = seconds, 0
        self.busy: set[tuple[str, str]] = set()
        self._door = threading.Lock()

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation != "TransactWriteItems":
            return super().__call__(operation, arguments)
        actions = [next(iter(action.values())) for action in arguments["TransactItems"]]
        keys = {_key(action.get("Key") or action["Item"]) for action in actions}
        with self._door:
            if keys & self.busy:
                self.conflicts += 1
                raise cancelled([{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(actions) - 1))
            self.busy |= keys
        try:
            time.sleep(self.seconds)
            return super().__call__(operation, arguments)
        finally:
            with self._door:
                self.busy -= keys


def cancelled(reasons: list[dict[str, Any]]) -> ClientError:
    answer: Any = {"Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"}}
    return ClientError(answer | {"CancellationReasons": reasons}, "TransactWriteItems")


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DynamoDB")


def _key(attributes: Item) -> tuple[str, str]:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _value(typed: Any) -> Any:
    """A comparable value: numbers with numbers, texts with texts, and never one with the other."""
    if typed is None:
        return None
    ((kind, raw),) = typed.items()
    return Decimal(raw) if kind == "N" else raw


class _Parser:
    """Conditions: AND, OR, parentheses, comparisons, BETWEEN, attribute_exists and attribute_not_exists."""

    def __init__(self, expression: str, item: Item, names: dict[str, str], values: dict[str, Any]) -> None:
        self.tokens = _TOKENS.findall(expression)
        self.item, self.names, self.values = item, names, values

    def take(self, expected: str | None = None) -> str:
        token: str = self.tokens.pop(0)
        assert expected is None or token == expected, (expected, token)
        return token

    def either(self) -> bool:
        result = self.both()
        while self.tokens and self.tokens[0] == "OR":
            self.take()
            other = self.both()
            result = result or other
        return result

    def both(self) -> bool:
        result = self.one()
        while self.tokens and self.tokens[0] == "AND":
            self.take()
            other = self.one()
            result = result and other
        return result

    def one(self) -> bool:
        if self.tokens[0] == "(":
            self.take("(")
            result = self.either()
            self.take(")")
            return result
        if self.tokens[0] in ("attribute_exists", "attribute_not_exists"):
            wanted = self.take() == "attribute_exists"
            self.take("(")
            present = self.names[self.take()] in self.item
            self.take(")")
            return present is wanted
        left = self.operand()
        sign = self.take()
        if sign == "BETWEEN":
            low = self.operand()
            self.take("AND")
            high = self.operand()
            return left is not None and low <= left <= high
        right = self.operand()
        if left is None or right is None or type(left) is not type(right):
            return sign == "<>"  # a missing attribute is other than any value
        return _COMPARE[sign](left, right)

    def operand(self) -> Any:
        token = self.take()
        return _value(self.values[token] if token.startswith(":") else self.item.get(self.names[token]))


def _holds(expression: str, item: Item, names: dict[str, str], values: dict[str, Any]) -> bool:
    return _Parser(expression, item, names, values).either()


def _partition(expression: str, names: dict[str, str], values: dict[str, Any], attribute: str) -> str:
    for name, value in re.findall(r"(#\w+) = (:\w+)", expression):
        if names[name] == attribute:
            return str(values[value]["S"])
    raise AssertionError(f"no partition in {expression}")


def _updated(key: tuple[str, str], before: Item, action: dict[str, Any]) -> Item:
    """SET (a value, or if_not_exists), REMOVE and ADD (of numbers)."""
    item = deepcopy(before) | {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    names, values = action.get("ExpressionAttributeNames", {}), action.get("ExpressionAttributeValues", {})
    parts = re.split(r"\b(SET|REMOVE|ADD)\b", action["UpdateExpression"])
    for kind, text in zip(parts[1::2], parts[2::2], strict=True):
        for clause in re.split(r",(?![^(]*\))", text):
            tokens = _TOKENS.findall(clause)
            name = names[tokens[0]]
            if kind == "REMOVE":
                item.pop(name, None)
            elif kind == "ADD":
                total = int(before.get(name, {"N": "0"})["N"]) + int(values[tokens[1]]["N"])
                item[name] = {"N": str(total)}
            elif tokens[2] == "if_not_exists":
                item[name] = before.get(names[tokens[4]], values[tokens[6]])
            else:
                item[name] = values[tokens[2]]
    return item


@contextmanager
def instead_of_dynamodb(answer: Callable[[str, dict[str, Any]], Any]) -> Iterator[None]:
    """Every call of botocore's DynamoDB clients is answered by `answer(operation, arguments)`."""

    def made(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        assert client._service_model.service_name == "dynamodb", operation
        return answer(operation, arguments)

    with patch.object(botocore.client.BaseClient, "_make_api_call", made):
        yield
