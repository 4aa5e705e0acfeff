"""Each call to AWS or to a provider in turn fails before it, fails after it took effect, or never answers.

After the retries that AWS would do, and the sweeps where those were not enough, there is exactly one instance for each
member that the rental calls ready and none for any other, the caps count what the rental holds, and nothing is waiting.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from gpubroker.kernel.caller import Caller
from gpubroker.ledger.accounts import CLEARING
from gpubroker.ledger.book import Book
from gpubroker.offers.integrations import store
from gpubroker.rentals.funding import needed
from gpubroker.rentals.rental import Holding, MemberPhase, Phase, Rental
from gpubroker.rentals.repository import Rentals
from gpubroker.rentals.requests import ScaleRequest
from tests.faults.driver import PAID_IN, Fault, World, empty, installed
from tests.faults.test_own_accounts import with_key
from tests.faults.test_walk import H100, OTHER, somebody, wanted

MODES = ("before", "after", "hang", "lost")
READS = {"dynamodb.GetItem", "dynamodb.Query", "provider.find", "provider.get", "provider.list"}
"""What has no effect fails in one way only, whether before or after it."""


@dataclass
class Run:
    """One play of a scenario."""

    world: World
    caller: Caller = field(default_factory=somebody)
    rental_id: str = ""


def provisioning(run: Run) -> None:
    run.world.providers.sell(H100)
    with run.world.arm():
        run.rental_id = run.world.request(run.caller, wanted(), key="request").rental_id
        run.world.settle(within=timedelta(minutes=40))


def _ready(run: Run, **more: object) -> None:
    run.rental_id = run.world.request(run.caller, wanted(duration_hours=9, **more), key="request").rental_id
    run.world.settle(within=timedelta(minutes=5))


def ending(run: Run) -> None:
    run.world.providers.sell(H100)
    _ready(run)
    with run.world.arm():
        run.world.end(run.caller, run.rental_id)
        run.world.settle(within=timedelta(minutes=40))


def ending_before_it_is_ready(run: Run) -> None:
    run.world.providers.sell(H100)
    run.world.request(run.caller, wanted(), key="request")
    (rental,) = Rentals().newest_of(run.caller.tenant, 2)
    run.rental_id = rental.rental_id
    with run.world.arm():
        run.world.settle(within=timedelta(seconds=3))
        run.world.end(run.caller, run.rental_id)
        run.world.settle(within=timedelta(minutes=40))


def adding(run: Run) -> None:
    run.world.providers.sell(H100, capacity=1)
    run.world.providers.sell(OTHER)
    _ready(run, max_total_price=3)
    with run.world.arm():
        run.world.scale(run.caller, run.rental_id, ScaleRequest(action="add", count=1), key="scale")
        run.world.settle(within=timedelta(minutes=40))


def removing(run: Run) -> None:
    run.world.providers.sell(H100)
    _ready(run, count=2)
    with run.world.arm():
        run.world.scale(run.caller, run.rental_id, ScaleRequest(action="remove", count=1), key="scale")
        run.world.settle(within=timedelta(minutes=40))


def provisioning_on_ones_own_account(run: Run) -> None:
    with_key(run.world, run.caller)
    provisioning(run)


def ending_on_ones_own_account(run: Run) -> None:
    with_key(run.world, run.caller)
    ending(run)


WITHOUT_FAULTS = {
    provisioning: (Phase.READY, 1),
    ending: (Phase.ENDED, 0),
    ending_before_it_is_ready: (Phase.ENDED, 0),
    adding: (Phase.READY, 2),
    removing: (Phase.READY, 1),
    provisioning_on_ones_own_account: (Phase.READY, 1),
    ending_on_ones_own_account: (Phase.ENDED, 0),
}
"""Each scenario, and the phase and the instances that it leads to when nothing fails."""


def play(worlds: Callable[[], World], scenario: Callable[[Run], None], *faults: Fault) -> Run:
    empty()
    with installed(worlds()) as world:
        world.faults = faults
        run = Run(world)
        scenario(run)
        assert world.struck is not None
        _check(run, f"{scenario.__name__} {faults} {world.struck}")
    return run


def calls_of(worlds: Callable[[], World], scenario: Callable[[Run], None]) -> list[str]:
    """The calls of a scenario in which nothing fails; it leads where it should."""
    with installed(worlds()) as world:
        empty()
        run = Run(world)
        scenario(run)
        rental = Rentals().of(run.caller.tenant, run.rental_id)
        assert (rental.phase, len(world.providers.running())) == WITHOUT_FAULTS[scenario], world.log
    return world.calls


def at_rest(rental: Rental) -> bool:
    return rental.operation is None and (rental.phase is Phase.READY or rental.phase.over)


def _check(run: Run, what: str) -> None:
    """The invariants, after at most three sweeps where the workflows themselves did not get there."""
    world = run.world
    rentals = Rentals().newest_of(run.caller.tenant, 5)
    assert len(rentals) == 1, what
    rental = rentals[0]
    sweeps = 0
    while not at_rest(rental):
        assert sweeps < 6, f"{what}: {rental.phase} {rental.operation} {world.log}"
        world.advance(minutes=4)
        world.sweep()
        rental = Rentals().of(run.caller.tenant, rental.rental_id)
        sweeps += 1
    told = f"{what}: {rental.phase} {[(m.member_id, m.phase.value) for m in rental.members]} {world.log}"
    running = world.providers.running()
    ready = {member.label: member.instance_id for member in rental.members if member.phase is MemberPhase.READY}
    assert {one.label: one.instance_id for one in running} == ready, told
    assert len(running) == len(ready), told
    assert rental.phase is not Phase.READY or ready, told
    assert Rentals().held_by(run.caller.tenant) == rental.held, told
    using = [use.rental_id for use in store.uses_of(run.caller.tenant, "vastai")]
    assert using == ([rental.rental_id] if rental.integration and not rental.phase.over else []), told
    if rental.integration:
        assert {one.account.tenant for one in world.providers.machines} <= {run.caller.tenant}, told
        assert not rental.final_cost_micros, told
    if rental.phase.over:
        assert rental.held == Holding(), told
        assert rental.gone_at is not None, told
        for one in world.providers.machines:
            assert one.end_asked_at is not None, told
            assert one.end_asked_at + world.providers.ending <= rental.gone_at + timedelta(seconds=1), told
    if rental.phase is Phase.FAILED:
        assert rental.final_cost_micros == 0, told
        assert rental.failure is not None, told
    _check_events(world, rental, told)
    _check_money(world, rental, told)


def _check_money(world: World, rental: Rental, told: str) -> None:
    """The payer's balance moved by exactly the final cost, which waits for settlement; what is held is what the rental
    says; and the books balance."""
    book = Book(clock=lambda: world.now)
    balance, cost = book.balance(rental.tenant), rental.final_cost_micros or 0
    assert (balance.posted, balance.held) == (PAID_IN - cost, rental.funds), told
    assert rental.funds == needed(rental) * (rental.payer is not None), told
    assert cost == 0 or book.balance(f"escrow:{rental.rental_id}").posted == cost, told
    assert book.balance(CLEARING).posted == -PAID_IN, told


def _check_events(world: World, rental: Rental, told: str) -> None:
    types = world.types(rental.rental_id)
    assert types[0] == "RentalRequested", told
    assert len(types) == len(set(types)), f"{told}: {types}"
    for phase, event in ((Phase.ENDED, "RentalEnded"), (Phase.FAILED, "RentalFailed"), (Phase.READY, "RentalReady")):
        assert rental.phase is not phase or event in types, f"{told}: {types}"
    assert ("RentalEnded" in types) == (rental.phase is Phase.ENDED), f"{told}: {types}"
    assert ("RentalFailed" in types) == (rental.phase is Phase.FAILED), f"{told}: {types}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", WITHOUT_FAULTS, ids=lambda scenario: scenario.__name__)
def test_whichever_call_fails_there_is_one_instance_or_none_and_the_rental_says_which(
    scenario: Callable[[Run], None], mode: str, worlds: Callable[[], World]
) -> None:
    calls = calls_of(worlds, scenario)
    assert len(calls) > 8
    for number, call in enumerate(calls):
        if mode in ("before", "hang") or call not in READS:
            play(worlds, scenario, Fault(number, mode))


@pytest.mark.parametrize("scenario", WITHOUT_FAULTS, ids=lambda scenario: scenario.__name__)
def test_two_failures_in_one_life_are_no_worse(scenario: Callable[[Run], None], worlds: Callable[[], World]) -> None:
    calls = calls_of(worlds, scenario)
    dice = random.Random(scenario.__name__)
    for _ in range(25):
        first = dice.randrange(len(calls))
        second = first + dice.randrange(1, 12)  # soon after: in the retry, or in what comes of it
        play(worlds, scenario, Fault(first, dice.choice(MODES)), Fault(second, dice.choice(MODES)))


@pytest.mark.parametrize("scenario", WITHOUT_FAULTS, ids=lambda scenario: scenario.__name__)
def test_a_provider_that_goes_away_for_twenty_minutes_at_any_call_costs_nobody_anything(
    scenario: Callable[[Run], None], worlds: Callable[[], World]
) -> None:
    calls = calls_of(worlds, scenario)
    for number, call in enumerate(calls):
        if call.startswith("provider."):
            play(worlds, scenario, Fault(number, "away"))


@pytest.mark.parametrize("scenario", [ending, removing], ids=lambda scenario: scenario.__name__)
def test_an_end_that_was_accepted_and_had_no_effect_is_asked_for_again(
    scenario: Callable[[Run], None], worlds: Callable[[], World]
) -> None:
    calls = calls_of(worlds, scenario)
    ends = [number for number, call in enumerate(calls) if call == "provider.end"]
    assert ends
    for number in ends:
        assert play(worlds, scenario, Fault(number, "ignored")).world.struck == "provider.end"


@pytest.mark.parametrize("scenario", [provisioning, adding], ids=lambda scenario: scenario.__name__)
def test_a_create_that_was_refused_and_yet_made_an_instance_is_found_and_ended(
    scenario: Callable[[Run], None], worlds: Callable[[], World]
) -> None:
    calls = calls_of(worlds, scenario)
    creates = [number for number, call in enumerate(calls) if call == "provider.create"]
    assert creates
    for number in creates:
        run = play(worlds, scenario, Fault(number, "refused_after"))
        assert run.world.struck == "provider.create"
