"""What callers may do with settlements."""

from collections.abc import Mapping

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import Clock
from gpubroker.management.replays import replayed
from gpubroker.management.settlement import overdue, receipts, reversing, undoing
from gpubroker.management.settlement.instructing import Instructions
from gpubroker.management.settlement.items import SettlementItem
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.payouts.port import PayoutRail, Prepared
from gpubroker.management.settlement.ports import Funds, FundsRefused, Trade
from gpubroker.management.settlement.refunds import Refunds
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.requests import ReversalRequest
from gpubroker.management.settlement.reversing import NothingToPayOut, NotReversible
from gpubroker.management.settlement.rules import Step
from gpubroker.management.settlement.settlement import Failure, Settlement, State
from gpubroker.management.settlement.transactions import Transactions
from gpubroker.management.settlement.views import Instructed, SettlementView
from gpubroker.management.trades import TransactionNotFound


class Desk:
    def __init__(
        self,
        *,
        settlements: Settlements,
        transactions: Transactions,
        funds: Funds,
        instructions: Instructions,
        refunds: Refunds,
        rails: Mapping[str, PayoutRail],
        clock: Clock,
    ):
        self._settlements, self._transactions, self._funds = settlements, transactions, funds
        self._instructions, self._refunds = instructions, refunds
        self._rails, self._clock = rails, clock

    def execute(self, caller: Caller, transaction_id: str) -> Instructed:
        """Have a transaction settled. Instructing it twice settles it once (37).

        Raises TransactionNotFound, NotSettleable; then nothing was changed.
        """
        self._instructions.give(transaction_id, by=caller.subject)
        return Instructed()

    def look(self, caller: Caller, transaction_id: str) -> SettlementView:
        """A settlement with its payout and receipts: administrators and management's services see all of it, a buyer
        and a seller their own receipts; another's is not there. Raises SettlementNotFound, TransactionNotFound."""
        trade = self._transactions.trade(transaction_id)
        trusted = caller.role is Role.SERVICE and (caller.may("management:read") or caller.may("internal:management"))
        everything = caller.role is Role.ADMIN or trusted
        mine = {caller.tenant, f"seller:{caller.tenant}"} & {trade.buyer, trade.seller} if caller.tenant else set()
        if not (everything or mine):
            raise TransactionNotFound(f"There is no transaction {transaction_id}.")
        view = self._view(self._settlements.of(trade.buyer, transaction_id))
        if everything:
            return view
        own = [one for one in view.receipts if one.party in mine]
        payout = view.payout if trade.seller in mine else None
        return view.model_copy(update={"receipts": own, "payout": payout})

    def reverse(
        self, caller: Caller, transaction_id: str, wanted: ReversalRequest, idempotency: Idempotency
    ) -> SettlementView:
        """Give a settled trade back, in part or whole; undo one that is under way (whole only, by its workflow).

        Raises NotReversible, MoreThanPaid, KeyReused, SettlementNotFound.
        """
        trade = self._transactions.trade(transaction_id)
        settlement = self._settlements.of(trade.buyer, transaction_id)
        try:
            if settlement.state.at_rest:
                changed = self._refunds.give(
                    settlement,
                    wanted.micros,
                    reversal_id=named_id("rev", settlement.settlement_id, idempotency.key),
                    by=caller.subject,
                    reason=wanted.reason,
                    idempotency=idempotency,
                    answer=self._stored,
                )
                return self._view(changed)
            return self._give_up(trade, wanted, caller.subject, idempotency)
        except Problem as problem:
            return SettlementView.model_validate(replayed(SettlementItem, idempotency, problem))

    def rerun(self, caller: Caller, transaction_id: str) -> SettlementView:
        """Start again what stands still: a refused or undone settlement anew, one under way by another workflow, and
        the payout of a settled one that was cancelled or came back. Raises NothingToPayOut, NotSettleable."""
        trade = self._transactions.trade(transaction_id)
        settlement = self._settlements.of(trade.buyer, transaction_id)
        if settlement.state is State.SETTLED:
            return self._view(self._pay_out_anew(settlement))
        if settlement.state.at_rest:
            return self._view(self._instructions.give(transaction_id, by=caller.subject, admin=True))
        return self._view(
            self._settlements.change(trade.buyer, transaction_id, lambda one: overdue.started_anew(one, self._clock()))
        )

    # ------------------------------------------------------------ parts

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
        """What a repeated request is answered with: as it was then, with the receipts that are written with it."""
        payout = self._settlements.payout(settlement.payout.payout_id) if settlement.payout else None
        return plain(SettlementView.of(settlement, payout, receipts.all_of(settlement)))


def plain(view: View) -> dict[str, object]:
    """A view as the JSON that is stored for its repetition."""
    return view.model_dump(mode="json")
