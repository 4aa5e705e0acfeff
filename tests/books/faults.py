"""Calls that fail on purpose: before they take effect, after it, by a conflict, by throttling."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from tests.books.store import cancelled

MODES = ("before", "after", "conflict", "throttled")

Answer = Callable[[str, dict[str, Any]], Any]


class Failing:
    """Answers as `answer` does, but for a share of the calls."""

    def __init__(self, answer: Answer, rng: random.Random, *, share: float) -> None:
        self._answer, self._rng, self._share = answer, rng, share
        self.struck: Counter[str] = Counter()

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        if self._rng.random() >= self._share:
            return self._answer(operation, arguments)
        mode = self._rng.choice(MODES)
        self.struck[mode] += 1
        return failing(mode, self._answer, operation, arguments)


def failing(mode: str, answer: Answer, operation: str, arguments: dict[str, Any]) -> Any:
    """One call that fails: `before` or `after` its effect, for a `conflict` with another transaction, `throttled`."""
    if mode == "before":
        raise ConnectTimeoutError(endpoint_url="https://dynamodb.example")
    if mode == "conflict" and operation == "TransactWriteItems":
        raise cancelled([{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in arguments["TransactItems"][1:])])
    if mode == "throttled":
        error: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        raise ClientError(error, operation)
    answer(operation, arguments)
    raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
