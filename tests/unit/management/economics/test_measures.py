"""What each fact adds to the economic metrics of its day. # 450"""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.management.economics.items import SpanItem
from gpubroker.management.economics.measures import METRICS, measured
from infra.rules.templates import ROOT
from tests.unit.management.economics.facts import ADA, BOB, SELLER, ended, event, posted, reversed_, settled


def amounts(told: Any) -> dict[str, int]:
    found = measured(told)
    assert found is not None
    return {name: amount for name, amount in found.amounts.items() if name != "transfers"}


def test_a_settlement_is_volume_and_fees() -> None:
    assert amounts(settled()) == {
        "settlements": 1,
        "gross_volume": 1_000_000,
        "seller_net": 990_050,
        "buyer_fees": 4_975,
        "seller_fees": 4_975,
    }


def test_a_reversal_is_what_was_given_back() -> None:
    assert amounts(reversed_()) == {
        "reversals": 1,
        "refunds": 500_000,
        "buyer_fees_returned": 2_000,
        "seller_fees_returned": 2_000,
    }


@pytest.mark.parametrize(
    ("debit", "credit", "name", "payers"),
    [
        ("house:clearing", ADA, "deposits", set()),
        ("house:clearing/3", "org_acme", "deposits", set()),
        (ADA, "house:clearing", "withdrawals", set()),
        (SELLER, "house:clearing", "payouts", set()),
        ("house:clearing", SELLER, "payouts_returned", set()),
        ("house:credits", ADA, "credits_granted", set()),
        (ADA, "house:credits", "credits_taken_back", set()),
        (ADA, "escrow:ren_1", "spending", {ADA}),
        ("org_acme", "house:fees", "spending", {"org_acme"}),
        (ADA, SELLER, "spending", {ADA}),
        ("escrow:ren_1", ADA, "spending_returned", set()),
        ("escrow:ren_1", SELLER, None, set()),
        ("escrow:ren_1", "house:fees", None, set()),
        ("house:adjustments", "house:fees", None, set()),
        (ADA, BOB, None, set()),
    ],
)
def test_a_transfer_is_what_its_legs_are_by_the_kinds_of_their_accounts(
    debit: str, credit: str, name: str | None, payers: set[str]
) -> None:
    found = measured(posted((debit, credit, 7)))
    assert found is not None
    assert found.amounts == {"transfers": 1} | ({name: 7} if name else {})
    assert found.payers == payers


@pytest.mark.parametrize(
    ("debit", "credit", "name"),
    [
        (ADA, "house:clearing", "deposits_returned"),
        ("house:clearing", ADA, "withdrawals_returned"),
        ("house:clearing", SELLER, "payouts_returned"),
        (ADA, "house:credits", "credits_taken_back"),
        ("escrow:ren_1", ADA, "spending_returned"),
        ("house:fees", ADA, "spending_returned"),
    ],
)
def test_what_takes_a_transfer_back_earns_and_spends_nothing(debit: str, credit: str, name: str) -> None:
    found = measured(posted((debit, credit, 7), reverses="trf_0"))
    assert found is not None
    assert (found.amounts, found.payers) == ({"transfers": 1, name: 7}, frozenset())


def test_a_transfer_of_several_legs_and_payers() -> None:
    found = measured(
        posted((ADA, "escrow:1", 5), (BOB, "escrow:1", 6), ("escrow:1", SELLER, 11), (ADA, "house:fees", 1))
    )
    assert found is not None
    assert (found.amounts, found.payers) == ({"transfers": 1, "spending": 12}, {ADA, BOB})


def test_a_rental_is_the_time_of_its_instances_and_gpus() -> None:
    found = amounts(ended(seconds=(1800, 90), gpus=8))
    assert found == {"rentals_ended": 1, "instance_seconds": 1890, "gpu_seconds": 15_120, "rental_charges": 1_000_000}
    own = amounts(ended(billed_by="provider"))
    assert "rental_charges" not in own, "the provider bills it, we do not"


def test_the_day_is_the_facts_own_in_utc_whenever_it_arrives() -> None:
    for at, day in {
        "2026-07-15T23:59:59.999Z": date(2026, 7, 15),
        "2026-07-16T00:00:00.000Z": date(2026, 7, 16),
        "2026-07-16T01:00:00.000+02:00": date(2026, 7, 15),
    }.items():
        found = measured(settled(at=at))
        assert found is not None
        assert found.day == day


def test_the_sample_of_the_fact_of_rentals_is_understood() -> None:
    sample = json.loads((ROOT / "events" / "rentals" / "RentalEnded.v1.json").read_text())
    assert amounts(sample) == {
        "rentals_ended": 1,
        "instance_seconds": 1800,
        "gpu_seconds": 1800,
        "rental_charges": 1_000_000,
    }


def test_other_facts_and_other_senders_add_nothing() -> None:
    assert measured(event("RentalReady", "rentals", "evt_1")) is None
    assert measured(settled() | {"source": "gpubroker.rentals"}) is None


@pytest.mark.parametrize("wrong", [-1, 1.5, "7", None, True])
def test_what_is_no_amount_is_no_fact(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        measured(posted((ADA, "escrow:1", wrong)))


@given(st.integers(0, 10**15), st.integers(0, 10**12), st.integers(0, 10**12))
def test_what_buyers_paid_is_what_sellers_got_and_both_fees(net: int, buyer_fee: int, seller_fee: int) -> None:
    found = measured(settled(amount=net + seller_fee, fees=(buyer_fee, seller_fee)))
    assert found is not None
    money = {name: found.amounts.get(name, 0) for name in METRICS}
    assert money["gross_volume"] == money["seller_net"] + money["buyer_fees"] + money["seller_fees"]


def test_every_metric_has_its_counter() -> None:
    assert set(METRICS) | {"payers"} <= set(SpanItem.get_attributes())
