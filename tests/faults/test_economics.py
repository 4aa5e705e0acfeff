"""Each call to AWS by which a fact is counted into the economic metrics fails in turn, before it, after it took effect,
or without an answer. After the retries that AWS would do, every fact has counted once. # 450"""

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gpubroker.composition import economics as composition
from gpubroker.management.economics.counters import Economics
from tests.faults.consumers import MODES, Calls, an_account, brought
from tests.unit.management.economics.facts import ADA, ended, posted, settled

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
DAY = date(2026, 7, 15)


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[None]:
    with an_account({"MANAGEMENT_TABLE": "management-under-faults"}):
        yield


def _records(number: int) -> list[dict[str, Any]]:
    """Three facts of a day of their own."""
    at = f"{DAY - timedelta(days=number)}T10:00:00.000Z"
    facts = [
        posted((f"{ADA}{number}", "escrow:1", 5), event_id=f"evt_t{number}", at=at),
        settled(f"evt_s{number}", at=at),
        ended(f"evt_e{number}", ended_at=at),
    ]
    empty = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
    common: dict[str, Any] = {"receiptHandle": "r", "attributes": {}, "messageAttributes": {}, **empty}
    return [{"messageId": f"m-{place}", "body": json.dumps(fact), **common} for place, fact in enumerate(facts)]


def _counted(number: int, calls: Calls) -> dict[str, int]:
    composition.economics_desk.cache_clear()
    handler = importlib.import_module("management.count_economics").handler
    with calls.installed():
        brought(handler, _records(number), name=lambda record: record["messageId"])
    day = DAY - timedelta(days=number)
    found = Economics(clock=lambda: NOW).days(day, day + timedelta(days=1))[day]
    return {name: amount for name, amount in found.items() if amount}


def test_every_call_fails_once_and_every_fact_counts_once() -> None:
    plain = Calls()
    expected = _counted(0, plain)
    assert expected == {
        "transfers": 1, "spending": 5, "payers": 1, "settlements": 1, "gross_volume": 1_000_000, "seller_net": 990_050,
        "buyer_fees": 4_975, "seller_fees": 4_975, "rentals_ended": 1, "instance_seconds": 1800, "gpu_seconds": 3600,
        "rental_charges": 1_000_000,
    }  # fmt: skip
    assert plain.made == ["GetItem", "GetItem", "TransactWriteItems", "TransactWriteItems", "TransactWriteItems"]
    number = 0
    for place in range(len(plain.made)):
        for mode in MODES:
            number += 1
            assert _counted(number, Calls((place, mode))) == expected, (place, plain.made[place], mode)
