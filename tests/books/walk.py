"""A writer that does at random what can be done with the books, whose every answer the auditor checks.

Several may walk over the same accounts at once. Each has holds and transfers of its own, and accounts of which it alone
changes the state and the limit; money and budgets are everybody's. A call that fails is made again, as a client would,
until an answer comes: the answer must be the one of the first time.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import PynamoDBException

from gpubroker.kernel.errors import Problem, Unavailable
from gpubroker.ledger.accounts import State
from gpubroker.ledger.book import Book, BudgetCharge, Leg, NewHold, Transfer
from gpubroker.ledger.holds import HeldFunds, HoldState
from gpubroker.ledger.problems import (
    AccountFrozen,
    AccountNotFound,
    BudgetExceeded,
    HoldConflict,
    HoldExceeded,
    HoldExpired,
    HoldNotFound,
    HoldResolved,
    InsufficientFunds,
    NotReversible,
    ReversalExceedsTransfer,
    TransferConflict,
)
from gpubroker.ledger.transfers import taken_back
from tests.books.auditor import Auditor, Key, Step

PERIOD = "2026-05"
LIMITS = {"org_1": 1_000, "org_2": 20_000}
"""Budgets of the organisations, in micro-dollars: small, so that they are reached."""
NEAR_S = 8.0
"""Longer than an operation takes on a busy machine."""
CLEARING, FEES = "house:clearing", "house:fees"


@dataclass
class Own:
    """A hold of the writer's."""

    hold: NewHold
    amount: int
    state: HoldState = HoldState.ACTIVE
    ended: bool = False
    guard: Step | None = None


@dataclass
class Posted:
    transfer_id: str
    legs: Sequence[Leg]
    done: list[int]
    reversal: bool = False


@dataclass
class Walk:
    """One writer.

    owned  accounts whose state and limit this writer alone changes
    exact  the only writer, on a clock of the test's making: every answer is the only right one
    tick   moves that clock
    """

    book: Book
    auditor: Auditor
    rng: random.Random
    name: str
    accounts: Sequence[str]
    owned: Sequence[str]
    clock: Callable[[], datetime]
    tick: Callable[[timedelta], None] | None = None
    did: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    _holds: list[Own] = field(default_factory=list)
    _posted: list[Posted] = field(default_factory=list)
    _repeatable: list[tuple[Callable[[], Any], Any]] = field(default_factory=list)
    _limits: dict[str, int] = field(default_factory=dict)
    _number: int = 0

    def step(self) -> None:
        """One operation and the check of its answer."""
        acts: dict[Callable[[], None], int] = {
            self.deposit: 10,
            self.transfer: 18,
            self.hold: 22,
            self.capture: 14,
            self.void: 6,
            self.adjust: 8,
            self.reverse: 6,
            self.repeat: 6,
            self.contradict: 3,
            self.unknown: 2,
            self.look: 4,
            self.freeze: 2,
            self.limit: 1,
            self.expire: 3,
        }
        (act,) = self.rng.choices(list(acts), list(acts.values()))
        self.did[act.__name__] += 1
        act()

    # ---------------------------------------------------------------- what money does

    def deposit(self) -> None:
        self._transfer("deposit", [Leg(CLEARING, self._account(), self._amount())])

    def transfer(self) -> None:
        payer, first, second = self.rng.sample([*self.accounts, "seller:x", "seller:y"], 3)
        legs = [Leg(payer, first, self._amount())]
        if self.rng.random() < 0.5:
            legs.append(Leg(payer, self.rng.choice([second, FEES]), self._amount()))
        if self.rng.random() < 0.2:
            legs.append(Leg(first, second, self._amount()))
        self._transfer("payment", legs)

    def _transfer(self, kind: str, legs: list[Leg]) -> None:
        wanted = Transfer(self._id("t"), kind, tuple(legs), {"by": self.name})
        net = _net(legs)
        receipt = self._do(
            lambda: self.book.transfer(wanted),
            effects={("room", one): change for one, change in net.items()},
            needs={("room", one): -change for one, change in net.items() if change < 0 and not _is_house(one)},
            debits={leg.debit for leg in legs if not _is_house(leg.debit)},
            lazy={leg.debit for leg in legs if leg.debit.startswith("seller:")},
        )
        if receipt is not None:
            assert receipt.legs == wanted.legs
            self._posted.append(Posted(wanted.transfer_id, legs, [0] * len(legs)))

    def hold(self) -> None:
        account, amount = self._account(), self._amount()
        budget = (BudgetCharge(account, PERIOD, LIMITS[account]),) if account in LIMITS else ()
        ends = None
        if self.rng.random() < 0.25:
            ends = self.clock() + timedelta(seconds=self.rng.choice([1, 30, 3600]))
        wanted = NewHold(self._id("h"), account, amount, ends, {"by": self.name}, budget)
        effects, needs = self._of_hold(wanted, -amount)
        held = self._do(lambda: self.book.hold(wanted), effects=effects, needs=needs, debits={account})
        if held is not None:
            assert (held.amount, held.state) == (amount, HoldState.ACTIVE)
            own = Own(wanted, amount)
            if ends is not None and self.tick is None:
                own.guard = self.auditor.begin(self._of_hold(wanted, amount)[0])
            self._holds.append(own)

    def capture(self) -> None:
        own = self._own()
        if own is None:
            return
        account, amount = (
            own.hold.account_id,
            self.rng.choice([own.amount, own.amount, self.rng.randint(0, own.amount)]),
        )
        if self.rng.random() < 0.1:
            amount = own.amount + 1
        shares = self._shares(amount, account)
        capture_id, hold_id = self._id("c"), own.hold.hold_id
        over = self._is_over(own)
        if over is None:
            return
        expected: tuple[type[Problem], ...] = ()
        if over:
            expected = (HoldExpired,)
        elif amount > own.amount:
            expected = (HoldExceeded,)
        effects: dict[Key, int] = {}
        if not expected:
            effects, _ = self._of_hold(own.hold, own.amount)
            effects["room", account] -= amount
            for charge in own.hold.budget:
                effects["budget", charge.key] -= amount
            for to, part in shares.items():
                effects["room", to] = effects.get(("room", to), 0) + part
        receipt = self._do(
            lambda: self.book.capture(hold_id, account, capture_id, amount, shares), effects=effects, expected=expected
        )
        if receipt is not None:
            assert (receipt.amount, receipt.released, receipt.hold_id) == (amount, own.amount - amount, hold_id)
            self._resolve(own, HoldState.CAPTURED)
            legs = [Leg(account, to, part) for to, part in shares.items()]
            self._posted.append(Posted(capture_id, legs, [0] * len(legs)))

    def void(self) -> None:
        own = self._own()
        if own is not None:
            self._void(own)

    def _void(self, own: Own) -> None:
        """What it had is free afterwards either way; a guard says so already from the moment it was placed."""
        over = self._is_over(own)
        effects = {} if over or own.guard is not None else self._of_hold(own.hold, own.amount)[0]
        hold_id, account = own.hold.hold_id, own.hold.account_id
        held: HeldFunds = self._do(lambda: self.book.void(hold_id, account), effects=effects, once_for_ever=False)
        states = {True: {HoldState.EXPIRED}, False: {HoldState.VOIDED}, None: {HoldState.EXPIRED, HoldState.VOIDED}}
        assert held.state in states[over], (held, over)
        assert held.amount == 0
        self._resolve(own, held.state)

    def adjust(self) -> None:
        own = self._own()
        if own is None or own.guard is not None:
            return
        over = self._is_over(own)
        amount = self._amount()
        more = amount - own.amount
        effects, needs = self._of_hold(own.hold, -more)
        expected: tuple[type[Problem], ...] = (HoldExpired,) if over else ()
        held = self._do(
            lambda: self.book.adjust(own.hold.hold_id, own.hold.account_id, amount),
            effects={} if over else effects,
            needs=needs if more > 0 and not over else {},
            debits={own.hold.account_id} if more > 0 and not over else set(),
            expected=expected,
            once_for_ever=False,
        )
        if held is not None:
            assert held.amount == amount
            own.amount = amount

    def reverse(self) -> None:
        if not self._posted:
            return
        original = self.rng.choice(self._posted)
        left = sum(leg.amount for leg in original.legs) - sum(original.done)
        amount = self.rng.choice([None, None, self.rng.randint(1, max(1, left)), left + 1])
        reversal_id, original_id = self._id("r"), original.transfer_id
        expected: tuple[type[Problem], ...] = ()
        legs: list[Leg] = []
        parts: tuple[int, ...] = ()
        if original.reversal:
            expected = (NotReversible,)
        else:
            try:
                parts = taken_back(original.legs, original.done, amount)
            except ValueError:
                expected = (ReversalExceedsTransfer,)
            legs = [Leg(leg.credit, leg.debit, part) for leg, part in zip(original.legs, parts, strict=False) if part]
        net = _net(legs)
        receipt = self._do(
            lambda: self.book.reverse(reversal_id, original_id, amount, "at random"),
            effects={("room", one): change for one, change in net.items()},
            needs={
                ("room", one): -change
                for one, change in net.items()
                if change < 0 and not _is_house(one) and not one.startswith("seller:")
            },
            debits={leg.debit for leg in legs if not _is_house(leg.debit)},
            expected=expected,
        )
        if receipt is not None:
            assert receipt.amount == sum(parts)
            original.done = [before + part for before, part in zip(original.done, parts, strict=True)]
            self._posted.append(Posted(reversal_id, legs, [0] * len(legs), reversal=True))

    # ---------------------------------------------------------------- what changes nothing

    def repeat(self) -> None:
        if self._repeatable:
            act, answer = self.rng.choice(self._repeatable[-200:])
            assert self._insist(act) == answer

    def contradict(self) -> None:
        """An id that acted, with another body; a hold that is resolved, resolved anew."""
        if self._posted and self.rng.random() < 0.5:
            known = self.rng.choice(self._posted).transfer_id
            other = Transfer(known, "other", (Leg(CLEARING, self._account(), 10**9),))
            self._refused(lambda: self.book.transfer(other), TransferConflict)
            return
        if not self._holds:
            return
        own = self.rng.choice(self._holds)
        other_hold = NewHold(own.hold.hold_id, own.hold.account_id, own.hold.amount + 1)
        self._refused(lambda: self.book.hold(other_hold), HoldConflict)
        if own.state is HoldState.CAPTURED:
            self._refused(lambda: self.book.void(own.hold.hold_id, own.hold.account_id), HoldResolved)
        if own.state in (HoldState.CAPTURED, HoldState.VOIDED):
            again, to = self._id("c"), {"seller:x": 1}
            capture = self.book.capture
            self._refused(lambda: capture(own.hold.hold_id, own.hold.account_id, again, 1, to), HoldResolved)

    def unknown(self) -> None:
        nobody = f"usr_nobody_{self.name}"
        self._refused(lambda: self.book.hold(NewHold(self._id("h"), nobody, 1)), AccountNotFound)
        lost = Transfer(self._id("t"), "deposit", (Leg(CLEARING, nobody, 1), Leg(CLEARING, self._account(), 5)))
        self._refused(lambda: self.book.transfer(lost), AccountNotFound)
        self._refused(lambda: self.book.void(self._id("h"), self._account()), HoldNotFound)

    def look(self) -> None:
        """A balance is what it may be at one moment of the look."""
        account = self._account()
        step = self.auditor.begin({}, watched=[("room", account)])
        balance = self._insist(lambda: self.book.balance(account))
        self.auditor.end(step, done=False)
        assert balance.available == balance.posted - balance.held
        if account in self.owned:
            assert balance.credit_limit == self._limits.get(account, 0)
        room = balance.available + balance.credit_limit
        assert step.low["room", account] <= room <= step.high["room", account], (account, balance, step)

    # ---------------------------------------------------------------- what becomes of accounts, and of time

    def freeze(self) -> None:
        if not self.owned:
            return
        account = self.rng.choice(self.owned)
        for state in (State.FROZEN, State.OPEN) if self.rng.random() < 0.7 else (State.OPEN,):
            self.auditor.begin_state(account, state.value)
            changed = self._insist(lambda s=state: self.book.set_state(account, s))
            assert changed.state is state
            self.auditor.end_state(account, state.value)
            if state is State.FROZEN:
                for _ in range(3):
                    self.hold()
                    self.capture()

    def limit(self) -> None:
        if not self.owned:
            return
        account, limit = self.rng.choice(self.owned), self.rng.choice([0, 500, 2_000])
        step = self.auditor.begin({("room", account): limit - self._limits.get(account, 0)})
        self._insist(lambda: self.book.set_credit_limit(account, limit))
        self.auditor.end(step, done=True)
        self._limits[account] = limit

    def expire(self) -> None:
        """Time passes. What is held beyond its end is free from that moment on, though nobody sweeps (I6)."""
        if self.tick is None:
            return
        self.tick(timedelta(seconds=self.rng.choice([0.5, 1, 30])))
        for own in self._active():
            if not own.ended and own.hold.expires_at is not None and own.hold.expires_at <= self.clock():
                own.ended = True
                step = self.auditor.begin(self._of_hold(own.hold, own.amount)[0])
                self.auditor.end(step, done=True)

    def finish(self) -> None:
        """Resolve all holds, so that nothing is held any more."""
        for own in self._active():
            self._void(own)

    # ---------------------------------------------------------------- asking and checking

    def _do(
        self,
        act: Callable[[], Any],
        *,
        effects: Mapping[Key, int],
        needs: Mapping[Key, int] | None = None,
        debits: set[str] | None = None,
        expected: tuple[type[Problem], ...] = (),
        lazy: set[str] | None = None,
        once_for_ever: bool = True,
    ) -> Any:
        """The answer, None where it was a refusal that may be. `expected`: a refusal that must be."""
        needs, debits = needs or {}, debits or set()
        step = self.auditor.begin(effects, watched=needs, accounts=debits)
        try:
            answer = self._insist(act)
        except Problem as refusal:
            self.auditor.end(step, done=False)
            self.answers[type(refusal).__name__] += 1
            self._judge(refusal, step, needs, expected, lazy or set())
            return None
        self.auditor.end(step, done=True)
        self.answers["done"] += 1
        assert not expected, (expected, answer)
        for key, amount in needs.items():
            assert step.high[key] >= amount, f"{key}: {amount} let through with at most {step.high[key]}"
        for account in debits:
            assert "open" in step.states[account], f"{account} was not open: {answer}"
        if once_for_ever:
            self._repeatable.append((act, answer))
        return answer

    def _judge(
        self,
        refusal: Problem,
        step: Step,
        needs: Mapping[Key, int],
        expected: tuple[type[Problem], ...],
        lazy: set[str],
    ) -> None:
        if isinstance(refusal, InsufficientFunds):
            key = ("room", refusal.account_id)
            assert step.low[key] < needs[key], f"{refusal} with at least {step.low[key]}"
        elif isinstance(refusal, BudgetExceeded):
            key = ("budget", str(refusal.extras["budget"]))
            assert step.low[key] < needs[key], f"{refusal} with at least {step.low[key]}"
        elif isinstance(refusal, AccountFrozen):
            assert any("frozen" in seen for seen in step.states.values()), refusal
        elif isinstance(refusal, AccountNotFound):
            assert any(one in refusal.detail for one in lazy), refusal
        else:
            assert isinstance(refusal, expected), refusal

    def _refused(self, act: Callable[[], Any], refusal: type[Problem]) -> None:
        try:
            answer = self._insist(act)
        except refusal:
            self.answers[refusal.__name__] += 1
            return
        raise AssertionError(f"{answer} instead of {refusal.__name__}")

    def _insist(self, act: Callable[[], Any]) -> Any:
        """Again until there is an answer."""
        while True:
            try:
                return act()
            except (PynamoDBException, Unavailable):
                self.failures += 1

    # ---------------------------------------------------------------- choosing

    def _of_hold(self, hold: NewHold, change: int) -> tuple[dict[Key, int], dict[Key, int]]:
        """What a change of the room does to account and budgets, and what it needs of them where it is less room."""
        keys: list[Key] = [("room", hold.account_id), *(("budget", one.key) for one in hold.budget)]
        return dict.fromkeys(keys, change), dict.fromkeys(keys, -change)

    def _is_over(self, own: Own) -> bool | None:
        """Whether a hold has expired; None where the real clock is too near its end to say what will be answered."""
        if own.hold.expires_at is None:
            return False
        left = (own.hold.expires_at - self.clock()).total_seconds()
        if self.tick is None and -0.1 < left < NEAR_S:
            return None
        return left <= 0

    def _resolve(self, own: Own, state: HoldState) -> None:
        own.state = state
        if own.guard is not None:
            self.auditor.end(own.guard, done=state is not HoldState.CAPTURED)
            own.guard = None

    def _active(self) -> list[Own]:
        return [own for own in self._holds if own.state is HoldState.ACTIVE]

    def _own(self) -> Own | None:
        active = self._active()
        return self.rng.choice(active) if active else None

    def _account(self) -> str:
        return self.rng.choice(self.accounts)

    def _amount(self) -> int:
        return self.rng.choice([1, 7, self.rng.randint(1, 200), self.rng.randint(1, 1_500)])

    def _shares(self, amount: int, payer: str) -> dict[str, int]:
        if amount == 0:
            return {}
        fee = amount // 10
        to = self.rng.choice([one for one in (*self.accounts, "seller:x", f"escrow:{self.name}") if one != payer])
        return {to: amount - fee} | ({FEES: fee} if fee else {})

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self.name}-{self._number}"


def _net(legs: Sequence[Leg]) -> dict[str, int]:
    net: dict[str, int] = {}
    for leg in legs:
        net[leg.debit] = net.get(leg.debit, 0) - leg.amount
        net[leg.credit] = net.get(leg.credit, 0) + leg.amount
    return net


def _is_house(account_id: str) -> bool:
    return account_id.startswith("house:")
