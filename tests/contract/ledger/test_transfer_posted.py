"""The fact of the books: what a capture tells is the sample, and a transfer and a reversal are what the schema says."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from gpubroker.kernel.events import Event
from gpubroker.ledger.posting import posted
from gpubroker.ledger.transfers import Leg, Receipt
from tests.contract.events import Facts

FACTS = Facts("ledger")
KIND = "TransferPosted"
AT = datetime(2026, 5, 24, 10, 30, tzinfo=UTC)
RENTAL = "ren_01KSCPQP650KCY29RB756MGB45"
BUYER = "usr_01KSCN0000000000000000000A"
CAPTURE = Receipt(
    "cap_01KSCPQP650KCY29RB756MGB45",
    "capture",
    (Leg(BUYER, f"escrow:{RENTAL}", 1_245_000),),
    {"rental_id": RENTAL},
    AT,
    hold_id=RENTAL,
    released=755_000,
)
RECEIPTS = {
    "capture": CAPTURE,
    "transfer": Receipt("t-1", "deposit", (Leg("house:clearing", BUYER, 1),), {}, AT),
    "reversal": Receipt("r-1", "reversal", (Leg(BUYER, "house:clearing", 1),), {"reason": "x"}, AT, reverses="t-1"),
}


def told(receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    event: Event = posted(receipt)
    entry = FACTS.published(event, monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.ledger", KIND)
    detail: dict[str, Any] = json.loads(entry["Detail"])
    return detail


def test_the_sample_is_what_its_schema_says() -> None:
    sample = FACTS.sample_of(KIND)
    assert (sample["detail-type"], sample["source"]) == (KIND, "gpubroker.ledger")
    jsonschema.validate(sample["detail"], FACTS.schema_of(KIND))


@pytest.mark.parametrize("kind", RECEIPTS)
def test_what_is_told_is_what_the_schema_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jsonschema.validate(told(RECEIPTS[kind], monkeypatch), FACTS.schema_of(KIND))


def test_the_sample_is_what_a_capture_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    of_the_request = {"event_id", "traceparent", "correlation_id"}
    sample = FACTS.sample_of(KIND)["detail"]
    detail = told(CAPTURE, monkeypatch)
    assert {name: value for name, value in detail.items() if name not in of_the_request} == {
        name: value for name, value in sample.items() if name not in of_the_request
    }


def test_a_fact_told_twice_has_one_id() -> None:
    assert posted(CAPTURE).id == posted(CAPTURE).id != posted(RECEIPTS["transfer"]).id
