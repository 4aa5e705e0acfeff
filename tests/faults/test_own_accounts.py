"""Rentals on the customer's own account at a provider (DESIGN §7 "Whose key", R9.5 (230)): whose instances, whose bill,
and what becomes of them when the key does not hold."""

from datetime import timedelta

import pytest

from gpubroker.kernel.caller import Caller
from gpubroker.offers.integrations import store
from gpubroker.offers.integrations.store import Integration, Status
from gpubroker.rentals import labels
from gpubroker.rentals.ports import IntegrationGone, Order
from gpubroker.rentals.rental import Account, Holding, MemberPhase, Phase, Rental
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import ScaleRequest
from gpubroker.rentals.sweeps import OWN_ACCOUNTS_S, ProviderSweep
from tests.faults.driver import World, empty
from tests.faults.test_walk import H100, OTHER, somebody, wanted


@pytest.fixture(autouse=True)
def _fresh(account: None) -> None:
    empty()


def with_key(world: World, caller: Caller, provider: str = "vastai", *, status: Status = Status.ACTIVE) -> Account:
    """A key of the caller's own, as it is when it was saved; the account that it opens."""
    name = f"int_{caller.tenant}"
    store.write(None, Integration(name, caller.tenant, provider, "2026-05-24T10:00:00.000Z", status, "f1", "2026"))
    world.providers.own[caller.tenant, provider] = name
    return Account(provider, caller.tenant)


def rented(world: World, caller: Caller, **more: object) -> Rental:
    world.providers.sell(H100)
    asked = world.request(caller, wanted(**more), key="one")
    world.settle(within=timedelta(minutes=5))
    return Rentals().of(caller.tenant, asked.rental_id)


def again(rental: Rental) -> Rental:
    return Rentals().of(rental.tenant, rental.rental_id)


def at(world: World) -> list[Account]:
    return [machine.account for machine in world.providers.running()]


def test_a_rental_with_ones_own_key_runs_on_ones_own_account_and_costs_nothing_here(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    rental = rented(world, caller)
    assert (rental.phase, rental.billed_by, at(world)) == (Phase.READY, "provider", [own])
    assert Rentals().held_by(caller.tenant) == Holding(1, 1, 0)  # no spend is committed here
    assert [use.rental_id for use in store.uses_of(caller.tenant, "vastai")] == [rental.rental_id]

    assert rental.ready_at is not None
    world.now = rental.ready_at + timedelta(minutes=30)
    view = world.end(caller, rental.rental_id)
    assert (view.billed_by, view.cost_micros, view.provider_cost_micros) == ("provider", 0, 1_000_000)
    world.settle()
    rental = again(rental)
    assert (rental.phase, rental.final_cost_micros, at(world)) == (Phase.ENDED, 0, [])
    assert store.uses_of(caller.tenant, "vastai") == []
    assert Rentals().held_by(caller.tenant) == Holding()
    (ended,) = [one["detail"]["data"] for one in world.events if one["detail-type"] == "RentalEnded"]
    assert (ended["billed_by"], ended["final_cost_micros"], ended["lines"][0]["seconds"]) == ("provider", 0, 1800)


def test_somebody_elses_key_and_a_key_at_another_provider_are_not_used(world: World) -> None:
    with_key(world, somebody())
    caller = somebody()
    with_key(world, caller, "runpod")
    rental = rented(world, caller)
    assert (rental.billed_by, at(world)) == ("gpubroker", [Account("vastai")])


def test_a_rental_that_comes_while_the_key_is_being_removed_is_refused(world: World) -> None:
    caller = somebody()
    with_key(world, caller, status=Status.REMOVING)  # read as active a moment before
    world.providers.sell(H100)
    with pytest.raises(IntegrationGone):
        world.request(caller, wanted(), key="one")
    world.settle()
    assert (Rentals().newest_of(caller.tenant, 1), at(world)) == ([], [])
    assert Rentals().held_by(caller.tenant) == Holding()


def test_an_integration_saved_later_changes_nothing_for_what_runs(world: World) -> None:
    caller = somebody()
    rental = rented(world, caller)
    with_key(world, caller)
    world.advance(minutes=10)
    world.sweep()
    assert again(rental).phase is Phase.READY
    world.end(caller, rental.rental_id)
    world.settle()
    assert (again(rental).phase, at(world)) == (Phase.ENDED, [])
    assert again(rental).final_cost_micros


def test_an_addition_stays_on_the_account_although_another_provider_is_similar(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    world.providers.sell(OTHER)
    rental = rented(world, caller, max_total_price=3)
    world.providers.capacity[H100.offer_id] = 0
    world.scale(caller, rental.rental_id, ScaleRequest(action="add", count=1), key="two")
    world.settle(within=timedelta(minutes=10))
    assert at(world) == [own]
    world.providers.capacity[H100.offer_id] = 1
    world.scale(caller, rental.rental_id, ScaleRequest(action="add", count=1), key="three")
    world.settle(within=timedelta(minutes=10))
    assert at(world) == [own, own]


def test_a_renewed_term_costs_nothing_either_and_shows_what_the_provider_bills(world: World) -> None:
    caller = somebody()
    with_key(world, caller)
    rental = rented(world, caller, auto_renew=True, max_total_price=3)
    assert rental.ends_at is not None
    world.providers.price(H100.offer_id, 3_000_000)
    world.now = rental.ends_at
    world.sweep()
    world.now = rental.ends_at + timedelta(minutes=30)
    view = world.end(caller, rental.rental_id)
    assert (view.renewals, view.cost_micros, view.provider_cost_micros) == (1, 0, 2_000_000 + 1_500_000)


def test_a_key_that_is_refused_at_once_fails_the_rental_and_charges_nothing(world: World) -> None:
    caller = somebody()
    world.providers.refused.add(with_key(world, caller))
    rental = rented(world, caller)
    world.settle()
    rental = again(rental)
    assert (rental.phase, rental.final_cost_micros) == (Phase.FAILED, 0)
    assert rental.failure is not None
    assert "your key" in rental.failure.detail
    assert store.uses_of(caller.tenant, "vastai") == []
    assert Rentals().held_by(caller.tenant) == Holding()


def test_an_instance_whose_key_is_refused_waits_a_day_for_a_good_one(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    rental = rented(world, caller)
    world.providers.refused.add(own)
    world.sweep()
    world.sweep()
    assert again(rental).phase is Phase.READY  # silence makes no ghost
    assert sum("refuses your key" in notice for notice in again(rental).notices) == 1

    world.end(caller, rental.rental_id)
    world.settle()
    assert again(rental).phase is Phase.ENDING
    world.advance(hours=20)
    world.sweep()
    assert (again(rental).phase, at(world)) == (Phase.ENDING, [own])

    world.providers.refused.clear()  # a good key was saved
    world.advance(minutes=4)
    world.sweep()
    assert (again(rental).phase, at(world), again(rental).final_cost_micros) == (Phase.ENDED, [], 0)


def test_after_a_day_without_a_good_key_the_instance_is_left_to_its_owner_and_that_is_said(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    rental = rented(world, caller)
    world.providers.refused.add(own)
    world.end(caller, rental.rental_id)
    world.advance(hours=25)
    world.sweep()
    world.settle()
    rental = again(rental)
    assert (rental.phase, rental.final_cost_micros, at(world)) == (Phase.ENDED, 0, [own])
    assert any(rental.members[0].label in notice and "end it there" in notice for notice in rental.notices)


def test_the_platforms_own_key_refused_never_lets_an_instance_go(world: World) -> None:
    caller = somebody()
    rental = rented(world, caller)
    world.providers.refused.add(Account("vastai"))
    world.end(caller, rental.rental_id)
    world.advance(hours=30)
    assert again(rental).phase is Phase.ENDING
    world.providers.refused.clear()
    world.sweep()
    assert (again(rental).phase, at(world)) == (Phase.ENDED, [])


def test_a_renewal_that_the_provider_refuses_to_tell_the_price_for_ends_the_rental(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    rental = rented(world, caller, auto_renew=True)
    world.providers.offers.clear()  # so that the instance itself is asked
    world.providers.refused.add(own)
    assert rental.ends_at is not None
    world.now = rental.ends_at
    world.sweep()
    rental = again(rental)
    assert (rental.phase, rental.end_reason) == (Phase.ENDING, "expired")
    assert any(notice.startswith("Not renewed: vastai refuses your key") for notice in rental.notices)


def test_the_sweep_ends_orphans_of_a_customers_rentals_and_touches_nothing_else_of_theirs(world: World) -> None:
    caller = somebody()
    own = with_key(world, caller)
    rental, stranger = rented(world, caller), rented(world, somebody())
    deployment = labels.deployment_of("rentals-under-faults")
    mine = rental.members[0].label
    untouched = [
        "my own machine",
        labels.label(deployment, "ren_" + "0" * 26, "m1"),  # named like ours, of no rental
        stranger.members[0].label,  # of a rental, and not of this account's
        labels.label(labels.deployment_of("another table"), rental.rental_id, "m1"),
    ]
    for label in (mine, labels.label(deployment, rental.rental_id, "m9"), *untouched):
        world.providers.create(Order(label, H100.offer_id, own, "ssh-ed25519 AAAA"))
    world.sweep()
    left = sorted(machine.label for machine in world.providers.running() if machine.account == own)
    assert left == sorted([mine, *untouched])
    assert again(rental).phase is again(stranger).phase is Phase.READY


def test_an_instance_in_a_customers_account_never_stands_in_for_one_of_ours(world: World) -> None:
    """Somebody names a machine of their own like an instance of another's rental, which is then lost."""
    mallory, rental = somebody(), rented(world, somebody())
    own = with_key(world, mallory)
    rented(world, mallory)
    world.providers.machines.pop(0)
    world.providers.create(Order(rental.members[0].label, H100.offer_id, own, "ssh-ed25519 AAAA"))
    world.advance(minutes=10)
    world.sweep()
    assert again(rental).members[0].phase is MemberPhase.LOST


def test_one_accounts_trouble_costs_no_other_and_the_platforms_costs_no_customer(world: World) -> None:
    first, second = somebody(), somebody()
    refused, fine = with_key(world, first), with_key(world, second)
    rented(world, first)
    kept = rented(world, second)
    world.providers.refused.update({refused, Account("vastai")})
    world.providers.machines[:] = [one for one in world.providers.machines if one.account != fine]
    world.advance(minutes=10)
    with pytest.raises(Exception, match="BadCredentials"):
        world.function("SweepProviderFunction", {"provider": "vastai"})
    assert again(kept).members[0].phase is MemberPhase.LOST


def test_the_account_is_released_once_however_often_the_end_is_settled(world: World) -> None:
    caller = somebody()
    with_key(world, caller)
    rental = rented(world, caller)
    world.end(caller, rental.rental_id)
    world.settle()
    work = {"tenant": caller.tenant, "rental_id": rental.rental_id, "operation_id": f"{rental.rental_id}-end"}
    world.function("ConcludeWorkFunction", work)
    assert again(rental).phase is Phase.ENDED


def test_accounts_for_which_there_was_no_time_are_told_and_come_first_some_other_time(world: World) -> None:
    callers = [somebody() for _ in range(3)]
    for caller in callers:
        with_key(world, caller)
        rented(world, caller)
    seconds = iter([0.0, OWN_ACCOUNTS_S - 1, OWN_ACCOUNTS_S + 1, OWN_ACCOUNTS_S + 2])
    sweep = ProviderSweep(
        rentals=Rentals(),
        compute=world.compute,
        clock=lambda: world.now,
        deployment=labels.deployment_of("rentals-under-faults"),
        elapsed=lambda: next(seconds),
        shuffle=lambda accounts: accounts.sort(key=lambda one: str(one.tenant)),
    )
    tenants = sorted(caller.tenant for caller in callers)
    assert sweep.run("vastai").done["accounts_left"] == tenants[1:]
