"""What an order costs with its disk, and what becomes of an instance that its provider bills dearer."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gpubroker.rentals import rules, scaling
from gpubroker.rentals.ports import InstanceStatus
from gpubroker.rentals.rental import Launch, MemberPhase, Rental
from tests.unit.rentals.lives import CALLER, DEPLOYMENT, NOW, RENTAL_ID, TERMS, asked, ready, running

DISK = replace(TERMS, disk_micros_per_gb=Decimal("200.5"), disk_included_gb=32)
BIG = Launch("ssh-ed25519 AAAA", disk_gb=132)
PRICE = 2_020_050


@pytest.mark.parametrize(
    ("disk_gb", "price"), [(None, 2_000_000), (8, 2_000_000), (32, 2_000_000), (33, 2_000_200), (132, PRICE)]
)
def test_disk_beyond_what_is_included_is_added_once(disk_gb: int | None, price: int) -> None:
    terms = DISK.with_disk(disk_gb)
    assert terms.price_micros == price
    assert terms.with_disk(disk_gb) == terms


def test_where_disk_has_no_price_of_its_own_an_order_costs_what_its_offer_says() -> None:
    assert TERMS.with_disk(10_000) == TERMS


def test_an_order_is_priced_held_for_and_limited_with_its_disk() -> None:
    rental = asked(terms=DISK, launch=BIG)
    assert rental.members[0].price_micros == rental.held.micros == rental.max_price_micros == PRICE
    with pytest.raises(rules.PriceOverLimit, match=r"\(\$0\.02005 of it for the disk\)"):
        asked(terms=DISK, launch=BIG, limit=PRICE - 1)


def test_an_offer_read_again_is_agreed_and_refused_with_the_disk() -> None:
    rental = asked(terms=DISK, launch=BIG, limit=PRICE + 1)
    agreed, _ = rules.agree(rental, RENTAL_ID, replace(DISK, price_micros=2_000_001), NOW)
    assert agreed.members[0].price_micros == PRICE + 1
    with pytest.raises(rules.PriceOverLimit):
        rules.agree(rental, RENTAL_ID, replace(DISK, price_micros=2_000_002), NOW)


def test_what_is_added_or_put_in_place_of_another_is_priced_with_the_disk() -> None:
    rental = ready(terms=DISK, launch=BIG, limit=PRICE)
    rental, _ = scaling.add(rental, 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=NOW)
    operation_id = f"{RENTAL_ID}-scale-1"
    near = replace(DISK, offer_id="vastai-near", price_micros=1_900_000)
    own, _ = scaling.agree_added(rental, operation_id, DISK, [near], NOW)
    assert own.member("m2").price_micros == PRICE
    dearer = replace(DISK, price_micros=2_000_001)
    other, _ = scaling.agree_added(rental, operation_id, dearer, [dearer, near], NOW)
    assert (other.member("m2").offer.offer_id, other.member("m2").price_micros) == ("vastai-near", 1_920_050)
    asked_for, _ = rules.about_to_create(own, operation_id, "m2", NOW)
    replaced, _ = scaling.replaced(asked_for, operation_id, "m2", [dearer, near], deployment=DEPLOYMENT)
    assert replaced.member("m3").price_micros == 1_920_050


def being_made() -> Rental:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    return rules.about_to_create(rental, RENTAL_ID, "m1", NOW)[0]


@pytest.mark.parametrize("status", ["pending", "running"])
def test_an_instance_that_is_billed_over_the_limit_never_becomes_ready(status: InstanceStatus) -> None:
    told = replace(running("label"), status=status, price_micros=2_200_001)
    member = rules.observed(being_made(), "m1", told, NOW)[0].member("m1")
    assert member.phase is MemberPhase.CREATING
    assert member.charges == ()
    assert member.failure is not None
    assert member.failure.code == "price-over-limit"
    assert "bills $2.200001 an hour" in member.failure.detail
    assert "max_total_price is $2.00" in member.failure.detail


@pytest.mark.parametrize("billed", [None, 1, 2_000_000, 2_200_000])
def test_up_to_ten_percent_over_the_limit_is_the_houses(billed: int | None) -> None:
    told = replace(running("label"), price_micros=billed)
    member = rules.observed(being_made(), "m1", told, NOW)[0].member("m1")
    assert member.phase is MemberPhase.READY
    assert member.charges[0].price_micros == 2_000_000
