"""Giving settled trades back: whatever of the payout has not left is taken back first, then the ledger is moved."""

from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock
from gpubroker.management.settlement import reversing, undoing
from gpubroker.management.settlement.ports import Funds, FundsRefused
from gpubroker.management.settlement.repository import Answer, Settlements
from gpubroker.management.settlement.reversing import NotReversible
from gpubroker.management.settlement.rules import Step
from gpubroker.management.settlement.settlement import Settlement, State

_LOOKS = 4
"""How often a seller's balance is looked at anew when it changes between the look and the write."""


class Refunds:
    def __init__(self, *, settlements: Settlements, funds: Funds, clock: Clock):
        self._settlements, self._funds, self._clock = settlements, funds, clock

    def give(
        self,
        settlement: Settlement,
        refund: MicroUsd | None,
        *,
        reversal_id: str,
        by: str,
        reason: str,
        idempotency: Idempotency | None = None,
        answer: Answer | None = None,
    ) -> Settlement:
        """Give `refund` of a settled trade back to its buyer (None: all that is left), once for a reversal id.

        Raises NotReversible, MoreThanPaid, AlreadyDone; then nothing was changed.
        """

        def step_with(one: Settlement, available: MicroUsd) -> Step:
            return reversing.reverse(
                one,
                refund,
                available=available,
                reversal_id=reversal_id,
                by=by,
                reason=reason,
                now=self._clock(),
            )

        def rule(one: Settlement) -> Step:
            return step_with(one, self._funds.available(one.seller))

        for look in range(_LOOKS):
            try:
                if step_with(settlement, 0).settlement is not settlement:  # it may be done, and was not
                    self._take_back_payout(settlement)
                return self._settlements.change(
                    settlement.buyer, settlement.transaction_id, rule, idempotency=idempotency, answer=answer
                )
            except FundsRefused as refused:
                if look + 1 == _LOOKS:
                    raise NotReversible(refused.detail, reason=refused.code) from refused
        raise AssertionError("unreachable")

    def _take_back_payout(self, settlement: Settlement) -> None:
        """A payout that has not left is cancelled before anything is taken from the seller, whose account it then is
        on. What is left after a part refund stays there, until an administrator has it paid out anew."""

        def rule(one: Settlement) -> Step:
            if one.state is not State.SETTLED or one.payout is None:
                return Step(one)
            return undoing.with_cancelled(one, self._settlements.payout(one.payout.payout_id), self._clock())

        self._settlements.change(settlement.buyer, settlement.transaction_id, rule)
