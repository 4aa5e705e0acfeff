"""What settlement does by itself when others tell of something. Told twice, it happens once."""

from typing import Any

from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.instructing import Instructions
from gpubroker.management.settlement.ports import NotSettleable
from gpubroker.management.settlement.refunds import Refunds
from gpubroker.management.settlement.repository import Settlements
from gpubroker.management.settlement.settlement import Settlement, State
from gpubroker.management.settlement.transactions import Transactions

HERE = "gpubroker.management"
RENTALS = "gpubroker.rentals"


class NotSettledYet(Exception):
    """A refund waits until its settlement is through; the queue brings it again."""


class Follower:
    def __init__(
        self, *, settlements: Settlements, transactions: Transactions, instructions: Instructions, refunds: Refunds
    ):
        self._settlements, self._transactions = settlements, transactions
        self._instructions, self._refunds = instructions, refunds

    def on_event(self, told: dict[str, Any]) -> str:
        """TransactionUpdated of a rental's transaction, RentalFinalised; what was done. Raises NotSettledYet."""
        detail = told["detail"]
        match told["detail-type"]:
            case "TransactionUpdated":
                return self._on_updated(detail)
            case "RentalFinalised":
                data = detail["data"]
                if data["billed_by"] == "gpubroker":  # where the provider bills, nothing was paid here
                    buyer = data.get("account_id") or detail["user_id"]
                    return self._on_finalised(buyer, detail["rental_id"], data["final_cost_micros"])
        return "nothing"

    def _on_updated(self, detail: dict[str, Any]) -> str:
        """A rental's transaction was completed: it is settled. One that was refused or undone is not started again by
        this: the fact may come late, and twice."""
        if (detail["source"], detail["status"]) != ("rental", "completed") or not detail["amount_micros"]:
            return "nothing"
        transaction_id = detail["transaction_id"]
        if self._settlements.find(detail["user_id"], transaction_id) is not None:
            return "known"
        try:
            self._instructions.give(transaction_id, by=HERE)
        except NotSettleable:
            return "not_settleable"  # an old fact: the transaction has moved on
        return "instructed"

    def _on_finalised(self, buyer: str, order_id: str, cost: MicroUsd) -> str:
        """A rental's cost was confirmed: what was paid above it is given back, of each of its transactions (one for
        each provider) in proportion to what was paid there; the micro-dollars that remain are of the first ones."""
        settled = self._settlements.of_order(buyer, order_id)
        if sum(one.shares.amount for one in settled) != self._transactions.completed_amount(order_id):
            raise NotSettledYet(f"{order_id} has transactions whose settlement was not instructed yet")
        paid = sum(one.shares.buyer_pays for one in settled)
        if paid <= cost:
            return "nothing"
        if any(one.state not in (State.SETTLED, State.REVERSED) for one in settled):
            raise NotSettledYet(f"{order_id} is not settled yet")
        for settlement, part in zip(settled, _parts(paid - cost, settled), strict=True):
            self._refund(settlement, part)
        return "refunded"

    def _refund(self, settlement: Settlement, part: MicroUsd) -> None:
        """As much of it as was not given back otherwise."""
        reversal_id = named_id("rev", settlement.settlement_id, "finalised")
        part = min(part, settlement.shares.buyer_pays - settlement.refunded)
        if part and all(one.reversal_id != reversal_id for one in settlement.reversals):
            reason = "The confirmed cost is lower."
            self._refunds.give(settlement, part, reversal_id=reversal_id, by=RENTALS, reason=reason)


def _parts(refund: MicroUsd, settled: list[Settlement]) -> list[MicroUsd]:
    paid = [one.shares.buyer_pays for one in settled]
    parts = [refund * one // sum(paid) for one in paid]
    for number in range(refund - sum(parts)):
        parts[number] += 1
    return parts
