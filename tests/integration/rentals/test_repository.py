"""How rentals are kept: the loser of a race writes nothing, and the counters are the sum of what is held."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import pytest

from gpubroker.kernel.errors import Unavailable
from gpubroker.rentals import endings
from gpubroker.rentals.facts import Fact
from gpubroker.rentals.rental import Holding, Rental
from gpubroker.rentals.repository import RentalNotFound, Rentals
from gpubroker.rentals.rules import Step
from gpubroker.storage.transaction import StaleVersion
from tests.unit.rentals.lives import NOW, after, asked


@pytest.fixture
def rentals(make_table: Any) -> Rentals:
    make_table("rentals")
    return Rentals(sleep=lambda _: None)


def kept(rentals: Rentals, number: int = 1, *, tenant: str = "usr_1") -> Rental:
    rental = replace(asked(), rental_id=f"ren_{number:026d}", tenant=tenant)
    return rentals.create(rental, (Fact("RentalRequested", NOW),), idempotency=None, answer=lambda _: {})


def outbox() -> list[str]:
    items = boto3.client("dynamodb").scan(TableName="rentals")["Items"]
    return [item["event"]["S"] for item in items if item["pk"]["S"].startswith("OUTBOX#")]


def renewing(rental: Rental) -> Step:
    return replace(rental, renewals=rental.renewals + 1), ()


def test_a_rental_is_read_back_as_it_was_written(rentals: Rentals) -> None:
    rental = kept(rentals)
    assert rentals.of("usr_1", rental.rental_id) == rental
    assert rentals.tenant_of(rental.rental_id) == "usr_1"


def test_an_unknown_rental_and_another_tenants_look_the_same(rentals: Rentals) -> None:
    rental = kept(rentals)
    for tenant, rental_id in (("usr_2", rental.rental_id), ("usr_1", "ren_none")):
        with pytest.raises(RentalNotFound):
            rentals.of(tenant, rental_id)
    with pytest.raises(RentalNotFound):
        rentals.tenant_of("ren_none")


def test_the_loser_of_a_race_writes_neither_rental_nor_event_and_does_it_again(rentals: Rentals) -> None:
    rental = kept(rentals)
    raced = []

    def rule(before: Rental) -> Step:
        if not raced:
            raced.append(before.version)
            Rentals().change("usr_1", rental.rental_id, renewing)  # somebody else is first
        return replace(before, renewals=before.renewals + 1), (Fact("RentalRenewed", NOW),)

    after_all = rentals.change("usr_1", rental.rental_id, rule)
    assert (after_all.renewals, after_all.version) == (2, 3)
    assert len([entry for entry in outbox() if "RentalRenewed" in entry]) == 1


def test_a_rental_that_keeps_changing_is_given_up_without_harm(rentals: Rentals) -> None:
    rental = kept(rentals)

    def rule(before: Rental) -> Step:
        Rentals().change("usr_1", rental.rental_id, renewing)
        return replace(before, renewals=100), ()

    with pytest.raises(Unavailable):
        rentals.change("usr_1", rental.rental_id, rule)
    assert rentals.of("usr_1", rental.rental_id).renewals < 100


@pytest.mark.usefixtures("one_call_at_a_time")
def test_many_writers_at_once_lose_no_change(rentals: Rentals) -> None:
    rental = kept(rentals)
    patient = Rentals()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: patient.change("usr_1", rental.rental_id, renewing), range(12)))
    assert rentals.of("usr_1", rental.rental_id).renewals == 12


def test_a_rule_that_changes_nothing_writes_nothing(rentals: Rentals) -> None:
    rental = kept(rentals)
    assert rentals.change("usr_1", rental.rental_id, lambda r: (r, ())).version == rental.version


def test_the_counters_are_the_sum_of_the_holdings(rentals: Rentals) -> None:
    first, second = kept(rentals, 1), kept(rentals, 2)
    assert rentals.held_by("usr_1") == Holding(2, 2, first.held.micros + second.held.micros)
    rentals.change("usr_1", first.rental_id, lambda r: endings.end(r, at=NOW, now=NOW, reason="requested"))
    rentals.change("usr_1", first.rental_id, lambda r: endings.conclude_end(r, NOW))
    assert rentals.held_by("usr_1") == second.held
    assert rentals.held_by("usr_2") == Holding()


def test_a_second_write_of_one_rental_is_refused(rentals: Rentals) -> None:
    kept(rentals)
    with pytest.raises(StaleVersion):
        kept(rentals)


def test_what_is_due_is_found_by_its_moment_in_every_shard(rentals: Rentals) -> None:
    ids = {kept(rentals, number, tenant=f"usr_{number}").rental_id for number in range(30)}
    assert list(rentals.due(NOW)) == []
    assert {rental_id for _, rental_id in rentals.due(after(minutes=3))} == ids
    assert {rental.rental_id for rental in rentals.open_rentals()} == ids
    assert {tenant for tenant, _ in rentals.due(after(minutes=3))} == {f"usr_{number}" for number in range(30)}


def test_nothing_is_scanned(rentals: Rentals, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.client

    kept(rentals)
    calls: list[str] = []
    real = botocore.client.BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        calls.append(operation)
        return real(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    list(rentals.due(after(hours=1)))
    list(rentals.open_rentals())
    rentals.newest_of("usr_1", 5)
    assert set(calls) == {"Query", "BatchGetItem"}
