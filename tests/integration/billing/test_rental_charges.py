"""What a rental was charged is told once, whatever is delivered twice (326)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from billing.tell_rental_charges import handler
from tests.contract.events import Facts


@pytest.fixture
def table(make_table: Callable[[str], Any]) -> Any:
    return make_table("billing")


def batch(*told: Any) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m-{place}", "body": one if isinstance(one, str) else json.dumps(one)}
            for place, one in enumerate(told)
        ]
    }


def told(table: Any) -> list[dict[str, Any]]:
    return [json.loads(item["event"]) for item in table.scan()["Items"]]


def test_a_rental_that_is_over_is_told_once(table: Any) -> None:
    """(326)"""
    ended, confirmed = (Facts("rentals").sample_of(kind) for kind in ("RentalEnded", "RentalFinalised"))
    assert handler(batch(ended, ended, confirmed), None) == {"batchItemFailures": []}
    assert handler(batch(confirmed), None) == {"batchItemFailures": []}
    amounts = {one["data"]["event_type"]: one["data"]["amount_micros"] for one in told(table)}
    assert amounts == {"rental_charged": 1_000_000, "rental_confirmed": 500_000}
    assert len(told(table)) == 2


def test_a_bad_record_costs_no_other(table: Any) -> None:
    ended = Facts("rentals").sample_of("RentalEnded")
    answer = handler(batch('{"detail": {}}', ended), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}
    assert len(told(table)) == 1
