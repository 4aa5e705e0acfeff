"""What settlement needs of the ledger (settlement/ports.py), and its use cases with everything they need."""

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gpubroker.kernel.money import MicroUsd
    from gpubroker.kernel.time import Clock
    from gpubroker.ledger import book
    from gpubroker.ledger.book import Book
    from gpubroker.management.settlement.following import Follower
    from gpubroker.management.settlement.instructing import Instructions
    from gpubroker.management.settlement.movements import Leg, Movement
    from gpubroker.management.settlement.payouts.batch import Batch
    from gpubroker.management.settlement.payouts.desk import PayoutDesk
    from gpubroker.management.settlement.payouts.pain001 import Debtor
    from gpubroker.management.settlement.payouts.port import PayoutRail
    from gpubroker.management.settlement.refunds import Refunds
    from gpubroker.management.settlement.repository import Settlements
    from gpubroker.management.settlement.steps import Steps
    from gpubroker.management.settlement.sweep import Sweep
    from gpubroker.management.settlement.use_cases import Desk
    from gpubroker.management.settlement.workflow import Starter
    from gpubroker.storage.transaction import Writes


def _clock() -> "Clock":
    from gpubroker.kernel import time

    return lambda: time.utc_now()  # looked up on each call, so that tests may stand elsewhere in time


@cache
def settlement_desk() -> "Desk":
    """What callers may do with settlements."""
    from gpubroker.management.settlement.transactions import Transactions
    from gpubroker.management.settlement.use_cases import Desk

    return Desk(
        settlements=settlements(),
        transactions=Transactions(),
        funds=_Funds(),
        instructions=_instructions(),
        refunds=_refunds(),
        rails=rails(),
        clock=_clock(),
    )


@cache
def settlement_follower() -> "Follower":
    """What settlement does by itself when others tell of something."""
    from gpubroker.management.settlement.following import Follower
    from gpubroker.management.settlement.transactions import Transactions

    return Follower(
        settlements=settlements(),
        transactions=Transactions(),
        instructions=_instructions(),
        refunds=_refunds(),
    )


@cache
def settlement_steps() -> "Steps":
    """The steps of `transaction_to_payout`."""
    from gpubroker.management.settlement.steps import Steps
    from gpubroker.management.settlement.transactions import Transactions

    return Steps(settlements=settlements(), funds=_Funds(), transactions=Transactions(), rails=rails(), clock=_clock())


def _instructions() -> "Instructions":
    from gpubroker.management.settlement.instructing import Instructions
    from gpubroker.management.settlement.transactions import Transactions

    return Instructions(settlements=settlements(), transactions=Transactions(), clock=_clock())


def _refunds() -> "Refunds":
    from gpubroker.management.settlement.refunds import Refunds

    return Refunds(settlements=settlements(), funds=_Funds(), clock=_clock())


@cache
def settlement_starter() -> "Starter":
    from gpubroker.management.settlement.workflow import Starter, StepFunctions

    return Starter(StepFunctions())


@cache
def settlement_sweep() -> "Sweep":
    from gpubroker.management.settlement.payouts.files import BankFiles
    from gpubroker.management.settlement.sweep import Sweep
    from gpubroker.management.settlement.workflow import StepFunctions

    return Sweep(settlements=settlements(), workflows=StepFunctions(), bank_files=BankFiles(), clock=_clock())


@cache
def payout_desk() -> "PayoutDesk":
    """Payees, the bank's word, bank files."""
    from gpubroker.management.settlement.payouts.desk import PayoutDesk
    from gpubroker.management.settlement.payouts.files import BankFiles

    return PayoutDesk(settlements=settlements(), bank_files=BankFiles(), clock=_clock())


@cache
def payout_batch() -> "Batch":
    """The daily run that files what waits."""
    from gpubroker.kernel.ids import new_id
    from gpubroker.management.settlement.payouts.batch import Batch, S3Shelf
    from gpubroker.management.settlement.payouts.files import BankFiles

    return Batch(
        bank_files=BankFiles(),
        shelf=S3Shelf(),
        debtor=_debtor(),
        clock=_clock(),
        new_file_id=lambda: new_id("pof"),
    )


def rails() -> "Mapping[str, PayoutRail]":
    """The ways of paying sellers, by their names."""
    from gpubroker.management.settlement.payouts.account import AccountRail
    from gpubroker.management.settlement.payouts.bank_file import BankFileRail

    return {rail.method: rail for rail in (AccountRail(), BankFileRail())}


@cache
def settlements() -> "Settlements":
    from gpubroker.management.settlement.repository import Settlements
    from gpubroker.management.settlement.transactions import Transactions

    return Settlements(funds=_Funds(), transactions=Transactions())


def _debtor() -> "Debtor":
    from gpubroker.management.settlement.payouts.pain001 import Debtor

    return Debtor(
        name=os.environ["PAYOUT_DEBTOR_NAME"],
        iban=os.environ["PAYOUT_DEBTOR_IBAN"],
        bic=os.environ["PAYOUT_DEBTOR_BIC"],
    )


class _Funds:
    """settlement.ports.Funds over the ledger's book."""

    def add(self, tx: "Writes", movement: "Movement") -> None:
        from gpubroker.ledger.book import NewHold, Transfer
        from gpubroker.management.settlement.movements import Capture, Hold, Post, Void

        match movement:
            case Hold(hold_id, account, amount, reference):
                _book().add_hold(tx, NewHold(hold_id, account, amount, reference=reference))
            case Capture(hold_id, account, capture_id, amount, to):
                _book().add_capture(tx, hold_id, account, capture_id, amount, {to: amount})
            case Void(hold_id, account):
                _book().add_void(tx, hold_id, account)
            case Post(transfer_id, kind, legs, reference):
                _book().add_transfer(tx, Transfer(transfer_id, kind, _legs(legs), reference))

    @contextmanager
    def refusals(self) -> "Iterator[None]":
        from gpubroker.kernel.errors import Invalid, PaymentRequired
        from gpubroker.ledger import problems
        from gpubroker.management.settlement.ports import FundsRefused
        from gpubroker.storage.transaction import StaleVersion

        refused = (
            Invalid,  # an account of no kind, or over a trillion dollars
            problems.AccountNotFound,
            problems.AccountFrozen,
            problems.AccountClosed,
            problems.HoldNotFound,
            problems.HoldResolved,
            problems.HoldExpired,
        )
        try:
            yield
        except (problems.TransferExists, problems.HoldExists) as error:
            # Another writer made this very movement, together with the settlement's next state.
            raise StaleVersion from error
        except (PaymentRequired, *refused) as error:
            raise FundsRefused(error.code, error.detail) from error

    def available(self, account: str) -> "MicroUsd":
        from gpubroker.ledger import problems
        from gpubroker.ledger.accounts import State

        try:
            if _book().account(account).state is not State.OPEN:
                return 0
            return _book().balance(account).spendable
        except problems.AccountNotFound:
            return 0

    def release_expired(self, account: str) -> bool:
        return bool(_book().release_expired(account))


@cache
def _book() -> "Book":
    from gpubroker.ledger.book import Book

    return Book(clock=_clock())


def _legs(legs: "tuple[Leg, ...]") -> "tuple[book.Leg, ...]":
    from gpubroker.ledger.book import Leg

    return tuple(Leg(leg.debit, leg.credit, leg.amount) for leg in legs)
