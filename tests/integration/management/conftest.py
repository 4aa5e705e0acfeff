"""Management's table on moto."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest


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
