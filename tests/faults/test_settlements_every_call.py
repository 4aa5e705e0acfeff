"""Each call to AWS in turn fails before it, fails after it took effect, or never answers.

After the retries that AWS would do, and the sweep where those were not enough, a settlement is through or undone whole:
nothing is lost, nothing is paid twice, and the books balance to the micro-dollar.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from gpubroker.composition import settlement as composition
from gpubroker.management.fees import Fees
from gpubroker.management.settlement.payouts.files import BankFiles
from gpubroker.management.settlement.payouts.pain001 import bank_id
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.settlement import State
from gpubroker.management.states import TransactionStatus
from gpubroker.management.trades import Trades
from tests.faults.driver import Fault, empty
from tests.faults.settlements import (
    USD,
    SettlementWorld,
    balance,
    books_balance,
    installed,
    open_books,
    rest,
    told,
    volume,
)

EVERY = ("before", "after", "hang", "lost")
MODES = {
    "dynamodb.TransactWriteItems": EVERY,
    "stepfunctions.StartExecution": EVERY,
    "s3.PutObject": EVERY,
    "events.PutEvents": ("before", "lost"),  # the relay's own tests have the others
}
"""What has no effect (all other calls) fails in one way only."""

BUYER, SELLER = "usr_b", "seller:acme"
PRICE, FEE = 1000 * USD, 5 * USD
FUNDS = 2000 * USD


@pytest.fixture(scope="module")
def books(account: None) -> Iterator[None]:
    with open_books():
        yield


@dataclass
class Run:
    """One play of a scenario, and what it leads to whatever fails."""

    world: SettlementWorld
    expected: dict[str, int] = field(default_factory=dict)
    ends_as: State = State.SETTLED
    name: str = "1"


def settling(run: Run) -> None:
    run.world.credit(BUYER, FUNDS)
    transaction_id = run.world.trade(BUYER)
    with run.world.arm():
        run.world.instruct(transaction_id)
        run.world.settle(within=timedelta(minutes=40))
    run.expected = {BUYER: FUNDS - PRICE - FEE, SELLER: PRICE - FEE, "house:fees": 2 * FEE}


def refusing(run: Run) -> None:
    run.world.credit(BUYER, PRICE)
    transaction_id = run.world.trade(BUYER)
    with run.world.arm():
        run.world.instruct(transaction_id)
        run.world.settle(within=timedelta(minutes=40))
    run.expected, run.ends_as = {BUYER: PRICE}, State.REFUSED


def turning_back(run: Run) -> None:
    """It is captured, and then cannot be shared out."""
    run.world.credit(BUYER, FUNDS)
    transaction_id = run.world.trade(BUYER, seller="no account of the ledger")
    with run.world.arm():
        run.world.instruct(transaction_id)
        run.world.settle(within=timedelta(minutes=40))
    run.expected, run.ends_as = {BUYER: FUNDS}, State.REFUSED


def undoing(run: Run) -> None:
    """An administrator has it undone when the seller has the money already, and its payout waits for a file."""
    run.world.credit(BUYER, FUNDS)
    run.world.paid_by_bank()
    transaction_id = run.world.trade(BUYER)
    run.world.instruct(transaction_id)
    while run.world.settlement(BUYER).state is not State.PAID_OUT:
        run.world.step()
    with run.world.arm():
        run.world.reverse(transaction_id)
        run.world.settle(within=timedelta(minutes=40))
    run.expected, run.ends_as = {BUYER: FUNDS, "house:clearing": -FUNDS}, State.UNDONE


def paying_by_bank(run: Run) -> None:
    run.world.credit(BUYER, FUNDS)
    run.world.paid_by_bank()
    transaction_id = run.world.trade(BUYER)
    run.world.instruct(transaction_id)
    run.world.settle(within=timedelta(minutes=40))
    with run.world.arm():
        run.world.daily()
        run.world.daily()
    for _ in range(2):  # the days after
        run.world.advance(days=1)
        run.world.daily()
    run.expected = {BUYER: FUNDS - PRICE - FEE, "house:clearing": -FUNDS + PRICE - FEE, "house:fees": 2 * FEE}


def reversing(run: Run) -> None:
    run.world.credit(BUYER, FUNDS)
    run.world.paid_by_bank()
    transaction_id = run.world.trade(BUYER)
    run.world.instruct(transaction_id)
    run.world.settle(within=timedelta(minutes=40))
    with run.world.arm():
        run.world.reverse(transaction_id, 201, key="one")
        run.world.reverse(transaction_id, key="two")
    run.expected, run.ends_as = {BUYER: FUNDS, "house:clearing": -FUNDS}, State.REVERSED


def a_rental(run: Run) -> None:
    """Its transaction settles by itself, and its confirmed cost is lower than what it paid."""
    run.world.credit(BUYER, 10 * USD)
    with run.world.arm():
        run.world.trade(BUYER, "seller:vastai", 2 * USD, fees=Fees(10_000, 10_000), rental=True, told=True)
        run.world.finalised(BUYER, 1_005_000)
        run.world.settle()
    run.expected = {BUYER: 10 * USD - 1_005_000, "seller:vastai": 995_000, "house:fees": 10_000}


SCENARIOS = (settling, refusing, turning_back, undoing, paying_by_bank, reversing, a_rental)


def play(scenario: Callable[[Run], None], *faults: Fault) -> Run:
    empty()
    with installed(SettlementWorld()) as world:
        world.faults = faults
        run = Run(world)
        scenario(run)
        assert not faults or world.struck is not None
        _check(run, f"{scenario.__name__} {faults} {world.struck}")
    return run


def _check(run: Run, what: str) -> None:
    world = run.world
    found = rest(world, BUYER)
    world.settle()
    shown = f"{what}: {found.state} {found.changes} {world.executions} {world.log}"
    assert found.state is run.ends_as, shown
    for account, amount in ({"escrow:ord-usr_b": 0, "house:receivables": 0, "house:fees": 0} | run.expected).items():
        assert balance(account) == amount, f"{account} {shown}"
    books_balance()
    settled = found.state is State.SETTLED
    assert volume(BUYER, "buyer", world) == (found.shares.amount if settled else 0), shown
    assert volume(found.seller, "seller", world) == (found.shares.amount if settled else 0), shown
    statuses = {
        State.SETTLED: TransactionStatus.SETTLED,
        State.REVERSED: TransactionStatus.REVERSED,
    }
    assert Trades().transaction(found.transaction_id).status is statuses.get(
        found.state, TransactionStatus.COMPLETED
    ), shown
    ever = settled or found.state is State.REVERSED
    assert told(world, "TransactionSettled") == (1 if ever else 0), shown
    assert told(world, "TransactionReversed") == len(found.reversals), shown
    assert len(composition.settlements().receipts_of(found)) == len(found.receipts), shown
    assert len(found.receipts) == (2 + 2 * len(found.reversals) if ever else 0), shown
    _check_payout(run, shown)


def _check_payout(run: Run, shown: str) -> None:
    """A payout by bank is in one file or none."""
    files = [entry.payout_id for file in BankFiles().newest(50) for entry in BankFiles().entries(file.file_id)]
    assert len(files) == len(set(files)), shown
    written = b"".join(run.world.shelf.values())
    for payout_id in files:
        assert written.count(f"<InstrId>{bank_id(payout_id)}</InstrId>".encode()) == 1, shown
        assert composition.settlements().payout(payout_id).state is PayoutState.FILED, shown


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_whichever_call_fails_nothing_is_lost_and_nothing_is_paid_twice(
    scenario: Callable[[Run], None], books: None
) -> None:
    calls = play(scenario).world.calls
    assert len(calls) > 4
    for number, call in enumerate(calls):
        if call not in MODES and calls[number - 1 : number + 2] == [call] * 3:
            continue  # within a row of such reads (the shards of an index): its first and its last are enough
        for mode in MODES.get(call, ("before",)):
            play(scenario, Fault(number, mode))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_two_failures_in_one_life_are_no_worse(scenario: Callable[[Run], None], books: None) -> None:
    calls = play(scenario).world.calls
    dice = random.Random(scenario.__name__)
    for _ in range(6):
        first = dice.randrange(len(calls))
        second = first + dice.randrange(1, 8)  # soon after: in the retry, or in what comes of it
        play(scenario, Fault(first, dice.choice(EVERY)), Fault(second, dice.choice(EVERY)))


def test_a_crash_of_everything_in_flight_is_picked_up_wherever_it_was(books: None) -> None:
    """Executions, messages and retries are gone; what is stored is not, and the sweep goes on from it."""
    empty()
    with installed(SettlementWorld()) as world:
        settling(Run(world))
    for steps in range(1, 18):
        empty()
        with installed(SettlementWorld()) as world:
            world.credit(BUYER, FUNDS)
            world.instruct(world.trade(BUYER))
            for _ in range(steps):
                world.step()
            world.restart()
            run = Run(world, {BUYER: FUNDS - PRICE - FEE, SELLER: PRICE - FEE, "house:fees": 2 * FEE})
            found = rest(world, BUYER)
            assert found.state is State.SETTLED, f"{steps} {world.log}"
            for account, amount in run.expected.items():
                assert balance(account) == amount, f"{account} after {steps}"
            books_balance()
