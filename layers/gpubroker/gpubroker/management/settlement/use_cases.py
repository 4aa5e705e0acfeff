"""What callers may do with settlements; and what follows from facts of others."""

from collections.abc import Mapping

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import overdue, reversing, rules, undoing
from gpubroker.management.settlement.items import SettlementItem
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import PayoutRail, Prepared
from gpubroker.management.settlement.ports import Funds, FundsRefused, NotSettleable, Trade, Trades, TransactionNotFound
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.requests import ReversalRequest
from gpubroker.management.settlement.reversing import NothingToPayOut, NotReversible
from gpubroker.management.settlement.rules import Step
from gpubroker.management.settlement.settlement import Failure, Settlement, State
from gpubroker.management.settlement.views import Instructed, SettlementView
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import AlreadyDone, StaleVersion

_LOOKS = 4
"""How often a seller's balance is looked at anew when it changes between the look and the write."""


class NotSettledYet(Exception):
    """A refund waits until its settlement is through; the queue brings it again."""


class Desk:
    def __init__(
        self,
        *,
        settlements: Settlements,
        trades: Trades,
        funds: Funds,
        rails: Mapping[str, PayoutRail],
        clock: Clock,
    ):
        self._settlements, self._trades, self._funds = settlements, trades, funds
        self._rails, self._clock = rails, clock

    def execute(self, caller: Caller, transaction_id: str) -> Instructed:
        """Have a transaction settled. Instructing it twice settles it once (37).

        Raises TransactionNotFound, NotSettleable; then nothing was changed.
        """
        self._instruct(transaction_id, by=caller.subject)
        return Instructed()

    def look(self, caller: Caller, transaction_id: str) -> SettlementView:
        """A settlement with its payout and receipts: a service or an administrator sees all of it, a buyer and a seller
        their own receipts; another's is not there. Raises SettlementNotFound, TransactionNotFound."""
        trade = self._trades.trade(transaction_id)
        everything = caller.role in (Role.SERVICE, Role.ADMIN)
        mine = {caller.tenant, f"seller:{caller.tenant}"} & {trade.buyer, trade.seller} if caller.tenant else set()
        if not (everything or mine):
            raise TransactionNotFound(f"There is no transaction {transaction_id}.")
        view = self._view(self._settlements.of(trade.buyer, transaction_id))
        if everything:
            return view
        receipts = [one for one in view.receipts if one.party in mine]
        payout = view.payout if trade.seller in mine else None
        return view.model_copy(update={"receipts": receipts, "payout": payout})

    def reverse(
        self, caller: Caller, transaction_id: str, wanted: ReversalRequest, idempotency: Idempotency
    ) -> SettlementView:
        """Give a settled trade back, in part or whole; undo one that is under way (whole only, by its workflow).

        Raises NotReversible, MoreThanPaid, FundsRefusedHere, and KeyReused.
        """
        trade = self._trades.trade(transaction_id)
        settlement = self._settlements.of(trade.buyer, transaction_id)
        try:
            if settlement.state.at_rest:
                reversal_id = named_id("rev", settlement.settlement_id, idempotency.key)
                return self._reverse(trade, wanted.micros, reversal_id, caller.subject, wanted.reason, idempotency)
            return self._give_up(trade, wanted, caller.subject, idempotency)
        except AlreadyDone:
            return SettlementView.model_validate(stored.replay(SettlementItem, idempotency))

    def rerun(self, caller: Caller, transaction_id: str) -> SettlementView:
        """Start again what stands still: a refused or undone settlement anew, one under way by another workflow, and
        the payout of a settled one that was cancelled or came back. Raises NothingToPayOut, NotSettleable."""
        trade = self._trades.trade(transaction_id)
        settlement = self._settlements.of(trade.buyer, transaction_id)
        if settlement.state is State.SETTLED:
            return self._view(self._pay_out_anew(settlement))
        if settlement.state.at_rest:
            return self._view(self._instruct(transaction_id, by=caller.subject, admin=True))
        return self._view(
            self._settlements.change(trade.buyer, transaction_id, lambda one: overdue.started_anew(one, self._clock()))
        )

    # ------------------------------------------------------------ what follows from facts

    def on_completed(self, transaction_id: str) -> str:
        """A rental's transaction was completed: its settlement starts by itself. Told again, nothing happens; one that
        was refused or undone is not started again by this. Answers with what was done."""
        trade = self._trades.trade(transaction_id)
        if trade.shares is None:
            return "nothing_to_settle"
        if self._settlements.find(trade.buyer, transaction_id) is not None:
            return "known"
        try:
            self._instruct(transaction_id, by="gpubroker.management")
        except NotSettleable:
            return "not_settleable"  # an old fact: the transaction has moved on
        return "instructed"

    def on_finalised(self, transaction_id: str, paid: MicroUsd) -> str:
        """A rental's cost was confirmed: what the buyer paid above it is given back, once.

        Raises NotSettledYet while its settlement is under way.
        """
        try:
            trade = self._trades.trade(transaction_id)
        except TransactionNotFound:
            return "no_transaction"  # the provider bills, or it cost nothing
        if trade.shares is None:
            return "nothing_to_refund"
        refund = trade.shares.buyer_pays - paid
        if refund <= 0:
            return "nothing_to_refund"
        settlement = self._settlements.find(trade.buyer, transaction_id)
        if settlement is None or settlement.state not in (State.SETTLED, State.REVERSED):
            raise NotSettledYet(f"{transaction_id} is {settlement.state.value if settlement else 'not settled'}")
        reversal_id = named_id("rev", settlement.settlement_id, "finalised")
        if any(one.reversal_id == reversal_id for one in settlement.reversals):
            return "known"
        refund = min(refund, settlement.shares.buyer_pays - settlement.refunded)
        if refund == 0:
            return "refunded_before"
        self._reverse(trade, refund, reversal_id, "gpubroker.rentals", "The confirmed cost is lower.", None)
        return "refunded"

    # ------------------------------------------------------------ parts

    def _instruct(self, transaction_id: str, *, by: str, admin: bool = False) -> Settlement:
        while True:
            trade = self._trades.trade(transaction_id)
            found = self._settlements.find(trade.buyer, transaction_id)
            if found is not None:
                return self._settlements.change(
                    trade.buyer,
                    transaction_id,
                    lambda one: rules.instruct_again(
                        one, self._trades.trade(transaction_id), by=by, now=self._clock(), admin=admin
                    ),
                )
            try:
                return self._settlements.create(rules.receive(trade, by=by, now=self._clock()))
            except StaleVersion:
                continue  # somebody else was first: there is a settlement now, or the transaction has changed

    def _reverse(
        self,
        trade: Trade,
        refund: MicroUsd | None,
        reversal_id: str,
        by: str,
        reason: str,
        idempotency: Idempotency | None,
    ) -> SettlementView:
        def reversed_with(settlement: Settlement, available: MicroUsd) -> Step:
            return reversing.reverse(
                settlement,
                refund,
                available=available,
                reversal_id=reversal_id,
                by=by,
                reason=reason,
                now=self._clock(),
            )

        def rule(settlement: Settlement) -> Step:
            return reversed_with(settlement, self._funds.available(settlement.seller))

        settlement = self._settlements.of(trade.buyer, trade.transaction_id)
        if reversed_with(settlement, 0).settlement is not settlement:  # it may be done, and was not
            self._take_back_payout(trade.buyer, trade.transaction_id)

        for look in range(_LOOKS):
            try:
                changed = self._settlements.change(
                    trade.buyer, trade.transaction_id, rule, idempotency=idempotency, answer=self._stored
                )
                return self._view(changed)
            except FundsRefused as refused:
                if look + 1 == _LOOKS:
                    raise NotReversible(f"{refused.detail}", reason=refused.code) from refused
        raise AssertionError("unreachable")

    def _give_up(self, trade: Trade, wanted: ReversalRequest, by: str, idempotency: Idempotency) -> SettlementView:
        if wanted.amount is not None:
            raise NotReversible("It is not settled yet: until then only the whole of it can be undone.")
        failure = Failure("undone", wanted.reason)
        changed = self._settlements.change(
            trade.buyer,
            trade.transaction_id,
            lambda one: undoing.give_up(one, failure, by=by, now=self._clock()),
            idempotency=idempotency,
            answer=self._stored,
        )
        return self._view(changed)

    def _take_back_payout(self, buyer: str, transaction_id: str) -> None:
        """A payout that has not left is cancelled before anything is taken from the seller, whose account it then is
        on. What is left after a part refund stays there, until an administrator has it paid out anew."""

        def rule(settlement: Settlement) -> Step:
            if settlement.state is not State.SETTLED or settlement.payout is None:
                return Step(settlement)
            payout = self._settlements.payout(settlement.payout.payout_id)
            return undoing.with_cancelled(settlement, payout, self._clock())

        self._settlements.change(buyer, transaction_id, rule)

    def _pay_out_anew(self, settlement: Settlement) -> Settlement:
        def rule(one: Settlement) -> Step:
            if one.payout is not None:
                last = self._settlements.payout(one.payout.payout_id)
                if last.state not in (PayoutState.CANCELLED, PayoutState.RETURNED, PayoutState.KEPT):
                    raise NothingToPayOut(f"Its payout {last.payout_id} is {last.state.value}.")
            return reversing.pay_out_anew(one, self._prepared_anew(one), self._clock())

        try:
            return self._settlements.change(settlement.buyer, settlement.transaction_id, rule)
        except FundsRefused as refused:
            raise NothingToPayOut(refused.detail, reason=refused.code) from refused

    def _prepared_anew(self, settlement: Settlement) -> Prepared | None:
        amount = min(reversing.left_to_pay_out(settlement), self._funds.available(settlement.seller))
        if amount <= 0:
            return None
        payee = self._settlements.payee(settlement.seller)
        prepared = self._rails[payee.method].prepare(payee, amount)
        return prepared if prepared.legs else None

    def _view(self, settlement: Settlement) -> SettlementView:
        payout = self._settlements.payout(settlement.payout.payout_id) if settlement.payout else None
        return SettlementView.of(settlement, payout, self._settlements.receipts_of(settlement))

    def _stored(self, settlement: Settlement) -> dict[str, object]:
        """What a repeated request is answered with: as it was then, without the receipts that are written with it."""
        payout = self._settlements.payout(settlement.payout.payout_id) if settlement.payout else None
        return plain(SettlementView.of(settlement, payout, []))


def plain(view: View) -> dict[str, object]:
    """A view as the JSON that is stored for its repetition."""
    return view.model_dump(mode="json")
