"""Prices that move between the reading of an offer and its machine: nobody pays, and nothing dear is kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gpubroker.rentals.ports import Instance, Order
from gpubroker.rentals.rental import Holding, MemberPhase, Phase
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import ScaleRequest
from tests.faults.driver import World
from tests.faults.test_walk import H100, OTHER, somebody, wanted


@pytest.fixture
def told_late(world: World) -> World:
    """Vast.ai's answer to a create tells no price: it is seen at a look."""
    create = world.providers.create

    def without_price(order: Order) -> Instance:
        made = create(order)
        if order.account.provider == "vastai":
            world.providers.machines[-1].price_micros = 6_000_000
            made = replace(made, price_micros=None)
        return made

    world.providers.create = without_price  # type: ignore[method-assign]
    return world


def test_a_rental_that_its_provider_bills_over_the_limit_is_undone_with_that_reason_and_costs_nothing(
    told_late: World,
) -> None:
    world, caller = told_late, somebody()
    world.providers.sell(H100)
    asked = world.request(caller, wanted(max_total_price=2), key="one")
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED, (world.log, world.executions)
    assert rental.failure is not None
    assert rental.failure.code == "price-over-limit"
    assert "$6.00" in rental.failure.detail
    assert rental.final_cost_micros == 0
    assert world.providers.created == 1
    assert world.providers.running() == []
    assert Rentals().held_by(caller.tenant) == Holding()
    assert world.types(asked.rental_id) == ["RentalRequested", "RentalFailed"]
    assert world.events[-1]["detail"]["data"]["reason"] == "price-over-limit"


def test_an_added_instance_that_is_billed_over_the_limit_is_ended_and_replaced(told_late: World) -> None:
    world, caller = told_late, somebody()
    runpod = world.providers.sell(OTHER)
    asked = world.request(caller, wanted(offer_id=runpod.offer_id), key="one")
    world.settle(within=timedelta(minutes=5))
    world.providers.sell(H100)
    world.providers.sell(replace(OTHER, offer_id="runpod-spare"))
    world.providers.capacity[runpod.offer_id] = 0
    world.scale(caller, asked.rental_id, ScaleRequest(action="add", count=1), key="two")
    world.settle(within=timedelta(minutes=10))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert [m.phase for m in rental.members] == [
        MemberPhase.READY, MemberPhase.UNDONE, MemberPhase.UNDONE, MemberPhase.READY
    ], (world.log, world.executions)  # fmt: skip
    dear = rental.member("m3")
    assert dear.failure is not None
    assert (dear.offer.provider, dear.failure.code) == ("vastai", "price-over-limit")
    assert [one.offer_id for one in world.providers.running()] == [runpod.offer_id, "runpod-spare"]


def test_a_bid_that_was_too_low_is_said_to_be_that_and_what_it_made_is_ended(world: World) -> None:
    world.providers.sell(H100)
    world.providers.breaks = True
    create = world.providers.create

    def refused(order: Order) -> Instance:
        return replace(create(order), status="failed", native_status="bid_too_low", bid_too_low=True)

    world.providers.create = refused  # type: ignore[method-assign]
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED
    assert rental.failure is not None
    assert rental.failure.code == "bid-too-low"
    assert rental.final_cost_micros == 0
    assert world.providers.created == 1
    assert world.providers.running() == []
