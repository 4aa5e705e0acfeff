"""The walk of a rental through the house, without faults: what the fault tests start from."""

from datetime import timedelta
from itertools import count

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.rentals.ports import OfferTerms
from gpubroker.rentals.rental import Holding, MemberPhase, Phase
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import RentalRequest, ScaleRequest
from tests.faults.driver import World

_number = count(1)
H100 = OfferTerms("vastai-h100", "vastai", "H100", 1, "us-east", False, 2_000_000, True)
OTHER = OfferTerms("runpod-h100", "runpod", "H100", 1, "eu-west", False, 2_100_000, True)


def somebody(plan: Plan = Plan.PRO) -> Caller:
    name = f"usr_{next(_number)}"
    return Caller(Role.USER, name, name, plan, frozenset({"*"}), name, "192.0.2.1")


def wanted(**more: object) -> RentalRequest:
    return RentalRequest.model_validate({"offer_id": H100.offer_id, "duration_hours": 1, **more})


def test_a_rental_is_made_used_and_ended_and_charged_by_the_second(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    assert asked.status is Phase.REQUESTED
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY, (world.log, world.executions)
    assert len(world.providers.running()) == 1
    assert Rentals().held_by(caller.tenant) == Holding(1, 1, 2_000_000)

    used = timedelta(minutes=30)
    assert rental.ready_at is not None
    world.now = rental.ready_at + used
    world.end(caller, asked.rental_id)
    world.settle()
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.ENDED
    assert rental.final_cost_micros == 1_000_000
    assert world.providers.running() == []
    assert Rentals().held_by(caller.tenant) == Holding()
    assert world.types(asked.rental_id) == ["RentalRequested", "RentalReady", "RentalEnding", "RentalEnded"]


def test_scaling_adds_from_a_similar_offer_and_removes_the_dearest(world: World) -> None:  # (288)
    world.providers.sell(H100, capacity=1)
    world.providers.sell(OTHER)
    caller = somebody()
    asked = world.request(caller, wanted(max_total_price=3), key="one")
    world.settle(within=timedelta(minutes=5))
    world.scale(caller, asked.rental_id, ScaleRequest(action="add", count=2), key="two")
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    ready = [m for m in rental.members if m.phase is MemberPhase.READY]
    assert sorted(m.offer.provider for m in ready) == ["runpod", "runpod", "vastai"], (world.log, world.executions)
    assert len(world.providers.running()) == 3

    world.scale(caller, asked.rental_id, ScaleRequest(action="remove", count=2), key="three")
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert [m.offer.provider for m in rental.live_members] == ["vastai"]
    assert [one.provider for one in world.providers.running()] == ["vastai"]
    assert Rentals().held_by(caller.tenant).instances == 1
