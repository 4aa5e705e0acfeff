"""Settlements for tests, made by the rules themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gpubroker.management.settlement import rules
from gpubroker.management.settlement.payouts.account import AccountRail
from gpubroker.management.settlement.payouts.bank_file import BankFileRail
from gpubroker.management.settlement.payouts.payout import BankAccount, Payout
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.ports import Trade
from gpubroker.management.settlement.rules import Step
from gpubroker.management.settlement.settlement import Funding, Settlement
from gpubroker.management.settlement.shares import Shares

NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)
USD = 1_000_000
BUYER, SELLER = "usr_01KSCN0000000000000000000A", "seller:acme"
SHARES = Shares(1000 * USD, 5 * USD, 5 * USD)
BANK = BankAccount("Acme GPU Ltd", iban="DE89370400440532013000", bic="COBADEFFXXX")
STEPS = ("received", "checked", "held", "captured", "shared", "paid_out", "settled")


def trade(**more: Any) -> Trade:
    told = Trade("txn-42", "ord-42", BUYER, SELLER, "completed", SHARES, Funding.ACCOUNT)
    return replace(told, **more)


def taken(settlement: Settlement, to: str, at: datetime, *, by_bank: bool = False, owed: int = 0) -> Step:
    """One step of the way forward, to the state of that name."""
    match to:
        case "checked":
            return rules.check(settlement, trade(status="settling", funding=settlement.funding), at)
        case "held":
            return rules.hold(settlement, at)
        case "captured":
            return rules.capture(settlement, at)
        case "shared":
            return rules.share_out(settlement, owed, at)
        case "paid_out":
            rail: Any = BankFileRail() if by_bank else AccountRail()
            payee = Payee(settlement.seller, rail.method, BANK if by_bank else None)
            out = settlement.share_out
            prepared = rail.prepare(payee, out.to_seller) if out and out.to_seller else None
            return rules.pay_out(settlement, prepared, at)
    return rules.conclude(settlement, at)


def steps(
    to: str = "settled", *, by_bank: bool = False, owed: int = 0, funding: Funding = Funding.ACCOUNT
) -> list[Step]:
    """All steps of the way forward up to a state, a second each."""
    told = [rules.receive(trade(funding=funding), by="svc_tier", now=NOW)]
    for number, state in enumerate(STEPS[1 : STEPS.index(to) + 1], start=1):
        at = NOW + timedelta(seconds=number)
        told.append(taken(told[-1].settlement, state, at, by_bank=by_bank, owed=owed))
    return told


def at(state: str, *, by_bank: bool = False, owed: int = 0, funding: Funding = Funding.ACCOUNT) -> Settlement:
    return steps(state, by_bank=by_bank, owed=owed, funding=funding)[-1].settlement


def payout_of(told: list[Step]) -> Payout:
    (payout,) = [one for step in told for one in step.payouts]
    return payout
