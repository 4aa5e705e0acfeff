"""Time that is up, work that dies, orphans and ghosts: what the sweeps put right."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from gpubroker.composition import rentals as composition
from gpubroker.kernel.caller import Caller, Plan
from gpubroker.rentals import callbacks, labels
from gpubroker.rentals.ports import NoCapacity, Order, ProviderUnavailable
from gpubroker.rentals.rental import Account, Holding, MemberPhase, Phase, Rental
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import ScaleRequest
from tests.faults.driver import World, empty
from tests.faults.states import StateError
from tests.faults.test_walk import H100, OTHER, somebody, wanted


@pytest.fixture(autouse=True)
def _fresh(account: None) -> None:
    empty()


def rented(world: World, caller: Caller, **more: object) -> Rental:
    """A rental that is ready."""
    world.providers.offers.get(H100.offer_id) or world.providers.sell(H100)
    asked = world.request(caller, wanted(**more), key=f"key-{world.now}")
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY, world.log
    return rental


def again(rental: Rental) -> Rental:
    return Rentals().of(rental.tenant, rental.rental_id)


def till_end(world: World, rental: Rental, **late: float) -> None:
    assert rental.ends_at is not None
    world.settle()
    world.now = rental.ends_at + timedelta(**late)
    world.sweep()


def test_a_rental_ends_when_its_time_is_up_and_the_sweeps_lateness_is_ours(world: World) -> None:
    rental = rented(world, somebody())
    till_end(world, rental, seconds=59)
    rental = again(rental)
    assert (rental.phase, rental.end_reason) == (Phase.ENDED, "expired")
    assert rental.final_cost_micros == 2_000_000  # an hour to the second, not 59 s more
    assert rental.ended_at == rental.ends_at
    assert world.providers.running() == []


def test_nothing_happens_before_it_is_due(world: World) -> None:
    rental = rented(world, somebody())
    assert rental.ends_at is not None
    world.now = rental.ends_at - timedelta(seconds=1)
    world.sweep()
    assert again(rental).phase is Phase.READY


def test_auto_renew_renews_at_the_price_of_that_moment(world: World) -> None:
    rental = rented(world, somebody(), auto_renew=True, max_total_price=3)
    world.providers.price(H100.offer_id, 2_500_000)
    till_end(world, rental)
    renewed = again(rental)
    assert renewed.phase is Phase.READY
    assert renewed.renewals == 1
    assert rental.ends_at is not None
    assert renewed.ends_at == rental.ends_at + timedelta(hours=1)
    assert renewed.held == Holding(1, 1, 2_500_000)
    world.now = rental.ends_at + timedelta(minutes=30)
    world.end(somebody_of(rental), rental.rental_id)
    world.settle()
    assert again(rental).final_cost_micros == 2_000_000 + 1_250_000
    assert world.types(rental.rental_id) == [
        "RentalRequested", "RentalReady", "RentalRenewed", "RentalEnding", "RentalEnded"
    ]  # fmt: skip


def test_a_renewal_is_priced_with_its_disk(world: World) -> None:
    world.providers.sell(replace(H100, disk_micros_per_gb=Decimal(200), disk_included_gb=32))
    rental = rented(world, somebody(), auto_renew=True, disk_gb=132, max_total_price=3)
    assert rental.members[0].price_micros == 2_020_000
    world.providers.price(H100.offer_id, 2_500_000)
    till_end(world, rental)
    assert again(rental).members[0].price_micros == 2_520_000


def somebody_of(rental: Rental) -> Caller:
    return replace(somebody(), subject=rental.requested_by, tenant=rental.tenant)


def test_auto_renew_ends_with_a_notice_when_the_price_is_over_the_limit(world: World) -> None:
    rental = rented(world, somebody(), auto_renew=True)
    world.providers.price(H100.offer_id, 2_000_001)
    till_end(world, rental)
    ended = again(rental)
    assert ended.phase is Phase.ENDED
    assert "2.000001" in ended.notices[-1]
    assert "limit" in ended.notices[-1]
    assert ended.final_cost_micros == 2_000_000
    assert "RentalRenewalRefused" in world.types(rental.rental_id)


def test_auto_renew_ends_with_a_notice_when_the_spending_cap_does_not_allow_it(world: World) -> None:
    caller = somebody(Plan.FREE)
    rental = rented(world, caller, auto_renew=True, duration_hours=40, max_total_price=9)  # $80 of the $100
    world.providers.price(H100.offer_id, 3_000_000)  # $120
    till_end(world, rental)
    ended = again(rental)
    assert ended.phase is Phase.ENDED
    assert "100.00 of committed spend" in ended.notices[-1]
    assert Rentals().held_by(caller.tenant) == Holding()


def test_an_offer_that_is_listed_no_more_renews_at_what_the_provider_bills(world: World) -> None:
    rental = rented(world, somebody(), auto_renew=True, max_total_price=9)
    del world.providers.offers[H100.offer_id]
    world.providers.machines[0].price_micros = 2_200_000
    till_end(world, rental)
    assert again(rental).members[0].price_micros == 2_200_000


def test_renewals_missed_in_an_outage_are_made_up_for_one_by_one(world: World) -> None:
    rental = rented(world, somebody(), auto_renew=True)
    till_end(world, rental, hours=2, minutes=30)
    for _ in range(3):
        world.sweep()
    renewed = again(rental)
    assert renewed.renewals == 3
    assert renewed.ends_at is not None
    assert renewed.ends_at > world.now


def test_a_request_whose_event_was_lost_is_started_by_the_sweep(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.restart()  # the relay never runs
    world.now += timedelta(minutes=4)
    world.sweep()
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY
    assert len(world.providers.running()) == 1


def test_a_late_event_beside_a_restarted_workflow_makes_no_second_instance(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    stream, world._queue = world._queue, []
    world.now += timedelta(minutes=4)
    world.function("SweepDueFunction", {})
    world._queue = sorted(stream + world._queue)
    world.settle(within=timedelta(minutes=30))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY
    assert len(world.executions) == 2
    assert len(world.providers.running()) == 1


@pytest.mark.parametrize("seconds", [1, 3, 6, 10])
def test_a_workflow_that_dies_is_undone_and_nothing_is_left(world: World, seconds: int) -> None:
    world.providers.sell(H100)
    world.providers.boot = timedelta(minutes=10)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(seconds=seconds))
    world.restart()
    world.now += timedelta(minutes=4)
    world.sweep()
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED
    assert rental.failure is not None
    assert rental.failure.code == "stuck"
    assert rental.final_cost_micros == 0
    assert world.providers.running() == []
    assert Rentals().held_by(caller.tenant) == Holding()


def test_an_end_whose_workflow_died_is_taken_up_again(world: World) -> None:
    rental = rented(world, somebody())
    world.end(somebody_of(rental), rental.rental_id)
    world.restart()
    assert len(world.providers.running()) == 1
    world.now += timedelta(minutes=4)
    world.sweep()
    ended = again(rental)
    assert ended.phase is Phase.ENDED
    assert world.providers.running() == []
    assert ended.ended_at is not None
    assert ended.ended_at < world.now - timedelta(minutes=3)  # charged until it was asked for


def test_a_scaling_whose_workflow_died_is_undone_and_the_rest_runs_on(world: World) -> None:
    rental = rented(world, somebody())
    world.providers.boot = timedelta(hours=1)
    world.scale(somebody_of(rental), rental.rental_id, ScaleRequest(action="add", count=2), key="scale")
    world.settle(within=timedelta(seconds=4))
    world.restart()
    world.now += timedelta(minutes=4)
    world.sweep()
    after = again(rental)
    assert (after.phase, after.operation) == (Phase.READY, None)
    assert [one.label for one in world.providers.running()] == [rental.members[0].label]
    assert after.held == rental.held
    assert world.types(rental.rental_id)[-1] == "RentalScaleFailed"


def test_a_provider_that_is_away_for_an_hour_leaves_nothing_behind(world: World) -> None:
    rental = rented(world, somebody())
    world.end(somebody_of(rental), rental.rental_id)

    def away(*_: object) -> None:
        raise ProviderUnavailable("away")

    world.providers.find = away  # type: ignore[method-assign,assignment]
    world.advance(hours=1)
    assert again(rental).phase is Phase.ENDING
    assert any("FAILED" in state for state in world.executions.values())
    del world.providers.find
    world.sweep()
    assert again(rental).phase is Phase.ENDED
    assert world.providers.running() == []


def test_an_orphan_is_found_and_ended(world: World) -> None:
    rental = rented(world, somebody())
    mine = labels.label(labels.deployment_of("rentals-under-faults"), "ren_" + "0" * 26, "m1")
    other = labels.label(labels.deployment_of("another table"), "ren_" + "0" * 26, "m1")
    for label in (mine, rental.members[0].label, other, "somebody else's"):
        world.providers.create(Order(label, H100.offer_id, Account("vastai"), "ssh-ed25519 AAAA"))
    world.sweep()
    labelled = [one.label for one in world.providers.running()]
    assert sorted(labelled) == sorted([rental.members[0].label, other, "somebody else's"])
    assert next(one.instance_id for one in world.providers.running()) == rental.members[0].instance_id
    assert again(rental).phase is Phase.READY


def test_an_instance_that_is_being_made_is_no_orphan(world: World) -> None:
    world.providers.sell(H100)
    world.providers.boot = timedelta(minutes=10)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(seconds=30))
    world.function("SweepProviderFunction", {"provider": "vastai"})
    world.settle(within=timedelta(minutes=15))
    assert Rentals().of(caller.tenant, asked.rental_id).phase is Phase.READY


def test_a_ghost_is_charged_until_it_was_last_seen_and_the_rental_ends(world: World) -> None:
    rental = rented(world, somebody())
    assert rental.ready_at is not None
    world.now = rental.ready_at + timedelta(minutes=10)
    world.sweep()  # seen here
    world.now = rental.ready_at + timedelta(minutes=14)
    world.providers.machines.clear()
    world.now = rental.ready_at + timedelta(minutes=15)
    world.sweep()
    ended = again(rental)
    assert (ended.phase, ended.end_reason) == (Phase.ENDED, "lost")
    assert ended.members[0].phase is MemberPhase.LOST
    assert ended.final_cost_micros == 333_333  # ten minutes of $2 an hour
    assert Rentals().held_by(rental.tenant) == Holding()
    assert world.types(rental.rental_id)[-3:] == ["RentalMemberLost", "RentalEnding", "RentalEnded"]


def test_one_ghost_of_two_is_lost_and_the_other_runs_on(world: World) -> None:
    rental = rented(world, somebody(), count=2)
    world.settle()
    world.providers.machines.pop()
    world.sweep()
    after = again(rental)
    assert after.phase is Phase.READY
    assert len(after.live_members) == 1
    assert after.held.instances == 1


def test_a_silent_provider_makes_no_ghosts(world: World) -> None:
    rental = rented(world, somebody())

    def silent(*_: object) -> None:
        raise ProviderUnavailable("silent")

    world.providers.list = silent  # type: ignore[method-assign,assignment]
    with pytest.raises(StateError):
        world.function("SweepProviderFunction", {"provider": "vastai"})
    assert again(rental).phase is Phase.READY


def test_a_list_that_forgets_an_instance_makes_no_ghost(world: World) -> None:
    rental = rented(world, somebody())
    world.providers.list = lambda *_: []  # type: ignore[method-assign,assignment]
    world.function("SweepProviderFunction", {"provider": "vastai"})
    assert again(rental).phase is Phase.READY


def test_an_instance_that_fails_while_it_runs_is_lost_and_ended(world: World) -> None:
    rental = rented(world, somebody())
    world.providers.machines[0].broken = True
    world.sweep()
    assert again(rental).phase is Phase.ENDED
    assert world.providers.running() == []


def test_an_instance_that_never_runs_is_undone_after_the_timeout(world: World) -> None:
    world.providers.sell(H100)
    world.providers.boot = timedelta(hours=2)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(minutes=29))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED
    assert rental.failure is not None
    assert rental.failure.code == "timed-out"
    assert world.providers.running() == []


def test_a_price_that_rose_over_the_limit_before_it_was_read_again_refuses_the_rental(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(max_total_price=2), key="one")
    world.providers.price(H100.offer_id, 2_000_001)
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED
    assert rental.failure is not None
    assert rental.failure.code == "price-over-limit"
    assert world.providers.created == 0
    assert Rentals().held_by(caller.tenant) == Holding()


def test_a_price_that_fell_is_what_is_charged_and_held(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(max_total_price=3), key="one")
    world.providers.price(H100.offer_id, 1_500_000)
    world.settle(within=timedelta(minutes=5))
    assert Rentals().of(caller.tenant, asked.rental_id).members[0].price_micros == 1_500_000
    assert Rentals().held_by(caller.tenant).micros == 1_500_000


def test_an_offer_that_vanished_before_it_was_read_again_fails_the_rental(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    del world.providers.offers[H100.offer_id]
    world.settle(within=timedelta(minutes=5))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.failure is not None
    assert (rental.phase, rental.failure.code) == (Phase.FAILED, "offer-not-available")


def test_one_of_three_that_cannot_be_had_undoes_all_three(world: World) -> None:
    world.providers.sell(H100, capacity=2)
    caller = somebody()
    asked = world.request(caller, wanted(count=3), key="one")
    world.settle(within=timedelta(minutes=15))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.FAILED
    assert rental.failure is not None
    assert rental.failure.code == "no-capacity"
    assert world.providers.running() == []


def test_an_addition_for_which_nothing_similar_is_left_is_undone_uncharged(world: World) -> None:
    world.providers.sell(H100, capacity=1)
    world.providers.sell(OTHER, capacity=0)
    rental = rented(world, somebody(), max_total_price=3)
    world.scale(somebody_of(rental), rental.rental_id, ScaleRequest(action="add", count=1), key="scale")
    world.settle(within=timedelta(minutes=15))
    after = again(rental)
    assert (after.phase, after.operation) == (Phase.READY, None)
    assert len(world.providers.running()) == 1
    assert after.held == rental.held
    assert world.types(rental.rental_id)[-1] == "RentalScaleFailed"


def test_a_callback_makes_the_instance_ready_at_once(world: World) -> None:
    world.providers.sell(H100)
    world.providers.boot = timedelta(minutes=3)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(seconds=170))
    world.providers.boot = timedelta(0)
    world.log.clear()
    token = callbacks.token_of(caller.tenant, asked.rental_id, "m1")
    before = world.now
    assert composition.callback_desk().accept(token).accepted is True
    world.settle(within=timedelta(seconds=1))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY
    assert rental.ready_at == before.replace(microsecond=0)
    late = composition.callback_desk().accept(token)  # late and again: polite, and without effect
    assert late.accepted is False
    assert again(rental) == rental
    with pytest.raises(callbacks.UnknownCallback):
        composition.callback_desk().accept(token[:-2] + "xx")


def test_two_polls_and_a_callback_at_once_answer_the_token_once(world: World) -> None:
    world.providers.sell(H100)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(seconds=1))
    token = callbacks.token_of(caller.tenant, asked.rental_id, "m1")
    world.now += timedelta(seconds=7)
    for _ in range(3):
        composition.callback_desk().accept(token)
    world.settle(within=timedelta(minutes=2))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.READY
    assert list(world.executions.values()) == ["SUCCEEDED"]
    assert world.types(rental.rental_id) == ["RentalRequested", "RentalReady"]


def test_the_provider_refuses_and_the_reason_stays_ours(world: World) -> None:
    world.providers.sell(H100)

    def refuse(order: Order) -> None:
        raise NoCapacity("internal words of the provider: key sk-123")

    world.providers.create = refuse  # type: ignore[method-assign,assignment]
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    world.settle(within=timedelta(minutes=15))
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.failure is not None
    assert "sk-123" not in rental.failure.detail
    assert "sk-123" not in str(world.events)


def test_work_that_still_runs_is_left_alone_by_the_sweep(world: World) -> None:
    world.providers.sell(H100)
    world.providers.boot = timedelta(minutes=12)
    caller = somebody()
    asked = world.request(caller, wanted(), key="one")
    for _ in range(3):
        world.advance(minutes=3, seconds=30)
        world.function("SweepDueFunction", {})
    rental = Rentals().of(caller.tenant, asked.rental_id)
    assert rental.phase is Phase.PROVISIONING
    assert rental.operation is not None
    assert rental.operation.attempt == 1
    world.settle()
    assert again(rental).phase is Phase.READY
    assert list(world.executions.values()) == ["SUCCEEDED"]
