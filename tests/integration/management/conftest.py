"""Management's table on moto."""

import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from botocore.client import BaseClient


@pytest.fixture
def table(make_table: Callable[[str], Any]) -> Any:
    return make_table("management")


@pytest.fixture
def outbox(table: Any) -> Callable[[], list[dict[str, Any]]]:
    """The envelopes of all facts that wait, in no order."""

    def waiting() -> list[dict[str, Any]]:
        items = table.scan()["Items"]
        return [orjson.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]

    return waiting


@pytest.fixture
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto is no database for several threads: each call is served alone, and between two calls anything may happen."""
    real, lock = BaseClient._make_api_call, threading.Lock()

    def alone(client: Any, operation: str, given: dict[str, Any]) -> Any:
        with lock:
            return real(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", alone)
