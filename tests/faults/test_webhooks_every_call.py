"""Each call to AWS or to an endpoint in turn fails before it, fails after it took effect, or never answers.

After the retries that AWS would do, and the sweeps where those were not enough: its receiver took every message, always
under the one id that it has, none stands open, and where order was asked for they were taken in it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, pairwise

import pytest

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.requests import ReplayRequest
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.time import iso
from tests.faults.driver import Fault, empty
from tests.faults.webhooks import WebhookWorld, change, changes, enterprise, installed, rental

MODES = ("before", "after", "hang", "lost")
READS = {"dynamodb.GetItem", "dynamodb.Query", "stepfunctions.DescribeExecution"}
"""What has no effect fails in one way only, whether before or after it."""
URL = "https://hooks.example/in"
LONG = timedelta(days=8)
_number = count(1)


@dataclass
class Run:
    world: WebhookWorld
    caller: Caller
    hook: str = ""
    messages: int = 0
    """How many there must be in the end."""


def a_fact(run: Run) -> None:
    run.hook = run.world.hook(run.caller, URL)
    run.world.settle()
    with run.world.arm():
        run.world.publish(changes(1, run.world.now, change("a", 1)), twice=True)
        run.world.settle(within=LONG)
    run.messages = 1


def a_fact_that_fails_twice(run: Run) -> None:
    run.hook = run.world.hook(run.caller, URL)
    run.world.receivers[URL].answers = [500, 503]
    run.world.settle()
    with run.world.arm():
        run.world.publish(rental(1, run.world.now, run.caller.tenant))
        run.world.settle(within=LONG)
    run.messages = 1


def facts_in_order(run: Run) -> None:
    run.hook = run.world.hook(run.caller, URL, ordered=True)
    run.world.receivers[URL].answers = [500]
    run.world.settle()
    with run.world.arm():
        run.world.publish(changes(1, run.world.now, change("a", 1)))
        run.world.settle(within=timedelta(seconds=3))
        run.world.publish(changes(2, run.world.now, change("a", 2)))
        run.world.settle(within=LONG)
    run.messages = 2


def a_replay(run: Run) -> None:
    run.hook = run.world.hook(run.caller, URL, retry_schedule=[])
    run.world.receivers[URL].answers = [500]
    begun = run.world.now
    run.world.publish(changes(1, begun, change("a", 1)))
    run.world.settle()
    with run.world.arm():
        request = ReplayRequest(since=iso(begun))
        run.world.insisting(lambda: composition.webhook_desk().replay_since(run.caller, run.hook, request, None))
        run.world.settle(within=LONG)
    run.messages = 1


def a_redrive(run: Run) -> None:
    run.hook = run.world.hook(run.caller, URL, retry_schedule=[])
    run.world.receivers[URL].answers = [500]
    run.world.publish(changes(1, run.world.now, change("a", 1)))
    run.world.settle()
    with run.world.arm():
        run.world.redrive()
        run.world.settle(within=LONG)
    run.messages = 1


SCENARIOS = (a_fact, a_fact_that_fails_twice, facts_in_order, a_replay, a_redrive)


def play(scenario: Callable[[Run], None], *faults: Fault) -> WebhookWorld:
    empty()
    with installed(WebhookWorld()) as world:
        world.faults = faults
        run = Run(world, enterprise(f"usr_{next(_number)}"))
        scenario(run)
        check(run, f"{scenario.__name__} {faults} {world.struck}")
    return world


def check(run: Run, what: str) -> None:
    """The invariants, after at most six sweeps where the queue and the workflows themselves did not get there."""
    world, sweeps = run.world, 0
    while not _at_rest(run):
        assert sweeps < 6, f"{what}: {_told(run)} {world.log}"
        world.advance(minutes=20)
        world.sweep()
        world.redrive()  # what a function could not take five times lies in the dead-letter queue
        world.settle(within=LONG)
        sweeps += 1
    told = f"{what}: {_told(run)} {world.log}"
    deliveries, receiver = world.deliveries(run.caller, run.hook), world.receivers[URL]
    assert len(deliveries) == run.messages, told
    accepted = [one.message_id for one in receiver.accepted()]
    assert set(accepted) == {one.delivery_id for one in deliveries}, told
    assert {one.message_id for one in receiver.got} == set(accepted), told
    assert all(one.due_at is None and one.claimed_until is None for one in deliveries), told
    if deliveries[0].order is not None:
        _check_order(deliveries, {one.message_id: one.at for one in reversed(receiver.accepted())}, told)


def _check_order(deliveries: list[Delivery], first_taken: dict[str, datetime], told: str) -> None:
    """The older one was taken first; unless it was not even written when the newer one was taken, since fan-out itself
    had died over it: then it comes late, for the worse thing would be that it does not come."""
    for older, newer in pairwise(sorted(deliveries, key=lambda one: str(one.order))):
        newer_taken = first_taken[newer.delivery_id]
        assert first_taken[older.delivery_id] <= newer_taken or older.created_at > newer_taken, told


def _at_rest(run: Run) -> bool:
    deliveries = run.world.deliveries(run.caller, run.hook)
    return len(deliveries) == run.messages and all(one.status is Status.DELIVERED for one in deliveries)


def _told(run: Run) -> list[tuple[Status, int, int]]:
    def of(one: Delivery) -> tuple[Status, int, int]:
        return one.status, one.run, one.tries

    return [of(one) for one in run.world.deliveries(run.caller, run.hook)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_whichever_call_fails_every_message_arrives_under_its_one_id(
    scenario: Callable[[Run], None], mode: str, account: None
) -> None:
    calls = play(scenario).calls
    assert len(calls) >= 6
    for number, call in enumerate(calls):
        if mode in ("before", "hang") or call not in READS:
            assert play(scenario, Fault(number, mode)).struck is not None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_two_failures_in_one_life_are_no_worse(scenario: Callable[[Run], None], account: None) -> None:
    calls = play(scenario).calls
    dice = random.Random(scenario.__name__)
    for _ in range(15):
        first = dice.randrange(len(calls))
        second = first + dice.randrange(1, 8)  # soon after: in the retry, or in what comes of it
        play(scenario, Fault(first, dice.choice(MODES)), Fault(second, dice.choice(MODES)))


def test_when_everything_in_flight_is_gone_the_sweep_finds_what_is_written(account: None) -> None:
    """Messages, executions and retries are lost at one moment after the other."""
    for seconds in (0, 1, 4, 6, 20, 40):
        empty()
        with installed(WebhookWorld()) as world:
            run = Run(world, enterprise(f"usr_{next(_number)}"), messages=1)
            run.hook = world.hook(run.caller, URL)
            world.receivers[URL].answers = [500, 500]
            world.settle()
            world.publish(changes(1, world.now, change("a", 1)))
            world.at(0, lambda seconds=seconds, world=world: world.at(seconds, world.restart))
            world.settle(within=LONG)
            check(run, f"restarted after {seconds} s")
