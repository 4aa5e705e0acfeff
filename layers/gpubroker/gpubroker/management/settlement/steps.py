"""The steps of the workflow `transaction_to_payout`: each reads the settlement, applies one rule, and writes.

A step that was done changes nothing, so any of them may be called again, by a retry, a restart or a second execution.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import rules, undoing
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import PayoutRail, Prepared
from gpubroker.management.settlement.ports import Funds, FundsRefused, NotSettleable
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.rules import Rule, Step
from gpubroker.management.settlement.settlement import Failure, Settlement, State
from gpubroker.management.settlement.transactions import Transactions


@dataclass(frozen=True, slots=True)
class WorkOn:
    """Which settlement a step is about, and why the way forward ended where it did."""

    buyer: str
    transaction_id: str
    failure: Failure | None = None

    @classmethod
    def of(cls, event: dict[str, Any]) -> "WorkOn":
        return cls(event["buyer"], event["transaction_id"], _failure(event.get("error")))


class Steps:
    def __init__(
        self,
        *,
        settlements: Settlements,
        funds: Funds,
        transactions: Transactions,
        rails: Mapping[str, PayoutRail],
        clock: Clock,
    ):
        self._settlements, self._funds, self._transactions = settlements, funds, transactions
        self._rails, self._clock = rails, clock
        self._steps: dict[str, Callable[[WorkOn], Settlement]] = {
            "check_transaction": self._check,
            "hold_funds": self._hold,
            "capture_funds": self._capture,
            "share_out": self._share_out,
            "pay_out": self._pay_out,
            "conclude": self._conclude,
            "turn_back": self._turn_back,
            "cancel_payout": self._cancel_payout,
            "return_shares": self._return_shares,
            "return_funds": self._return_funds,
            "conclude_undone": self._conclude_undone,
        }

    def take(self, event: dict[str, Any]) -> dict[str, str]:
        """One step of a workflow: what `event["step"]` names. Answers with the state and the way from there.

        Raises FundsRefused and NotSettleable (which turn the workflow back) and Superseded (which ends it). Raises
        KeyError for a step that there is not.
        """
        settlement = self._steps[event["step"]](WorkOn.of(event))
        return {"state": settlement.state.value, "way": _way(settlement.state)}

    def _change(self, work: WorkOn, rule: Rule) -> Settlement:
        return self._settlements.change(work.buyer, work.transaction_id, rule)

    def _check(self, work: WorkOn) -> Settlement:
        """The way is chosen by what the settlement says: a restart goes on where it stands."""

        def rule(settlement: Settlement) -> Step:
            if settlement.state is not State.RECEIVED:
                return Step(settlement)
            trade = self._transactions.trade(work.transaction_id)
            return rules.check(settlement, trade, self._clock())

        return self._change(work, rule)

    def _hold(self, work: WorkOn) -> Settlement:
        try:
            return self._change(work, lambda one: rules.hold(one, self._clock()))
        except FundsRefused:
            if not self._funds.release_expired(work.buyer):
                raise
        return self._change(work, lambda one: rules.hold(one, self._clock()))

    def _capture(self, work: WorkOn) -> Settlement:
        return self._change(work, lambda one: rules.capture(one, self._clock()))

    def _share_out(self, work: WorkOn) -> Settlement:
        def rule(settlement: Settlement) -> Step:
            return rules.share_out(settlement, self._settlements.owed_by(settlement.seller), self._clock())

        return self._change(work, rule)

    def _pay_out(self, work: WorkOn) -> Settlement:
        """By the way the seller chose; where that cannot be (the money was spent meanwhile, the account is frozen),
        it stays on the account: what a seller was paid is theirs, and no reason to undo a trade."""
        try:
            return self._change(work, lambda one: rules.pay_out(one, self._prepared(one), self._clock()))
        except FundsRefused as refused:
            reason = f"not sent: {refused.detail}"
            kept = self._rails["account"]

            def rule(settlement: Settlement) -> Step:
                out = settlement.share_out
                payee = self._settlements.payee(settlement.seller)
                prepared = kept.prepare(payee, out.to_seller) if out and out.to_seller else None
                return rules.pay_out(settlement, prepared, self._clock(), reason=reason)

            return self._change(work, rule)

    def _prepared(self, settlement: Settlement) -> Prepared | None:
        out = settlement.share_out
        if out is None or out.to_seller == 0:
            return None
        payee = self._settlements.payee(settlement.seller)
        return self._rails[payee.method].prepare(payee, out.to_seller)

    def _conclude(self, work: WorkOn) -> Settlement:
        return self._change(work, lambda one: rules.conclude(one, self._clock()))

    def _turn_back(self, work: WorkOn) -> Settlement:
        failure = work.failure or Failure("stopped", "It was stopped.")
        return self._change(work, lambda one: undoing.turn_back(one, failure, self._clock()))

    def _cancel_payout(self, work: WorkOn) -> Settlement:
        def rule(settlement: Settlement) -> Step:
            if settlement.payout is None:
                return Step(settlement)
            payout = self._settlements.payout(settlement.payout.payout_id)
            if payout.state is not PayoutState.INSTRUCTED:
                return Step(settlement)
            return undoing.cancel_payout(settlement, payout, self._clock())

        try:
            return self._change(work, rule)
        except FundsRefused:  # the seller's account is closed: the payout leaves, and the seller owes it
            return self._settlements.of(work.buyer, work.transaction_id)

    def _return_shares(self, work: WorkOn) -> Settlement:
        def rule(settlement: Settlement) -> Step:
            if settlement.share_out is None:
                return Step(settlement)
            return undoing.return_shares(settlement, self._funds.available(settlement.seller), self._clock())

        return _until_there(lambda: self._change(work, rule))

    def _return_funds(self, work: WorkOn) -> Settlement:
        return self._change(work, lambda one: undoing.return_funds(one, self._clock()))

    def _conclude_undone(self, work: WorkOn) -> Settlement:
        return self._change(work, lambda one: undoing.conclude_undone(one, self._clock()))


def _until_there(attempt: Callable[[], Settlement], tries: int = 4) -> Settlement:
    """What a seller has may change between the look and the write; then it is looked at again."""
    for _ in range(tries - 1):
        try:
            return attempt()
        except FundsRefused:
            continue
    return attempt()


def _way(state: State) -> str:
    if state is State.UNDOING:
        return "backward"
    return "nowhere" if state.at_rest else "forward"


def _failure(error: dict[str, Any] | None) -> Failure | None:
    """What a workflow tells of an error (`Error`, `Cause`), as a code and a sentence."""
    if not error:
        return None
    try:
        text = str(orjson.loads(error.get("Cause") or "")["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        text = str(error.get("Cause") or "")
    name = str(error.get("Error") or "")
    if name == FundsRefused.__name__:
        code, _, detail = text.partition(": ")
        return Failure(code, detail or text)
    if name == NotSettleable.__name__:
        return Failure(NotSettleable.code, text)
    return Failure("not-settled", f"{name}: {text}"[:500])
