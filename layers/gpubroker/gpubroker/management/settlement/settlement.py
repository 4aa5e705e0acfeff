"""What a settlement is: plain values, no clock, no I/O. What may happen to it: rules, undoing, reversing."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.shares import Shares

MOST_CHANGES = 40
"""How many of its changes a settlement remembers; the first and the newest stay."""


class State(StrEnum):
    """Where a settlement stands.

    received  instructed; its workflow is to start
    checked   the transaction may be settled
    held      amount and buyer's fee are set aside on the buyer's account
    captured  the money is in the order's escrow account
    shared    both fees and the seller's net have left escrow, in one transfer
    paid_out  the seller's payout is instructed
    settled   receipts are written, volumes are counted, final but for reversals
    undoing   what was done is being undone, the newest first
    refused   it could not be settled, nothing is left of the try; instructing it again tries anew
    undone    an administrator had it undone; only an administrator starts it again
    reversed  settled once, and all of it given back
    """

    RECEIVED = "received"
    CHECKED = "checked"
    HELD = "held"
    CAPTURED = "captured"
    SHARED = "shared"
    PAID_OUT = "paid_out"
    SETTLED = "settled"
    UNDOING = "undoing"
    REFUSED = "refused"
    UNDONE = "undone"
    REVERSED = "reversed"

    @property
    def at_rest(self) -> bool:
        """Whether no workflow has anything to do."""
        return self in (State.SETTLED, State.REFUSED, State.UNDONE, State.REVERSED)


FORWARD = (
    State.RECEIVED,
    State.CHECKED,
    State.HELD,
    State.CAPTURED,
    State.SHARED,
    State.PAID_OUT,
    State.SETTLED,
)
"""The way from an instruction to its end."""


class Funding(StrEnum):
    """Where the buyer's money is when the settlement begins: on the buyer's account, or in the order's escrow already
    (a rental's is captured when it ends)."""

    ACCOUNT = "account"
    ESCROW = "escrow"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not come about: a stable code and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Change:
    """The settlement came to a state at a moment; `detail` says why where there is a reason."""

    state: State
    at: datetime
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ShareOut:
    """The transfer that emptied escrow: the seller got `to_seller`; `collected` went to what the seller owed."""

    transfer_id: str
    to_seller: MicroUsd
    collected: MicroUsd = 0


@dataclass(frozen=True, slots=True)
class PayoutRef:
    """The newest payout of a settlement; the payout itself is an item of its own."""

    payout_id: str
    method: str
    amount: MicroUsd


@dataclass(frozen=True, slots=True)
class Undo:
    """Who asked for the way back, and whether it may be tried again by instructing it anew."""

    by: str
    final: bool


@dataclass(frozen=True, slots=True)
class Reversal:
    """A part (or all) of a settled trade, given back.

    from_seller  taken from the seller's account; `owed` is what was not there and the seller owes since
    """

    reversal_id: str
    at: datetime
    by: str
    reason: str
    refund: MicroUsd
    buyer_fee: MicroUsd
    seller_fee: MicroUsd
    from_seller: MicroUsd
    owed: MicroUsd


@dataclass(frozen=True, slots=True)
class Settlement:
    """The truth about one transaction's settlement.

    buyer, seller  account ids
    rounds         how often it was tried; each has ledger ids of its own, for a hold that was voided is over
    executions     how many workflows were started for it, so that each has a name
    hold_id        the hold, while there is one
    captured_id    the capture, while escrow has what it brought
    share_out      the transfer out of escrow, while it stands
    payouts        how many payouts were instructed
    due_at         when somebody must look after it; None at rest
    receipts       ids of the documents that were written
    version        counts the writes
    """

    settlement_id: str
    transaction_id: str
    order_id: str
    buyer: str
    seller: str
    shares: Shares
    funding: Funding
    requested_by: str
    requested_at: datetime
    state: State = State.RECEIVED
    changes: tuple[Change, ...] = ()
    rounds: int = 1
    executions: int = 1
    looks: int = 0
    hold_id: str | None = None
    captured_id: str | None = None
    share_out: ShareOut | None = None
    payout: PayoutRef | None = None
    payouts: int = 0
    failure: Failure | None = None
    undo: Undo | None = None
    reversals: tuple[Reversal, ...] = ()
    settled_at: datetime | None = None
    due_at: datetime | None = None
    receipts: tuple[str, ...] = ()
    version: int = 1

    @property
    def execution(self) -> str:
        """The name of its newest workflow: the settlement's id, then numbered."""
        return self.settlement_id if self.executions == 1 else f"{self.settlement_id}-{self.executions}"

    def ledger_id(self, what: str) -> str:
        """The id of a movement of this round: the same for whoever sets about it, and used once for ever."""
        return f"{self.settlement_id}:{self.rounds}:{what}"

    @property
    def refunded(self) -> MicroUsd:
        """What the buyer has got back by now."""
        return sum(one.refund for one in self.reversals)

    @property
    def reference(self) -> dict[str, str]:
        """What a ledger entry says of where it comes from."""
        return {
            "settlement_id": self.settlement_id,
            "transaction_id": self.transaction_id,
            "order_id": self.order_id,
        }

    def moved(self, state: State, at: datetime, detail: str | None = None) -> "Settlement":
        """The settlement in another state, which it remembers."""
        changes = (*self.changes, Change(state, at, detail))
        if len(changes) > MOST_CHANGES:
            changes = (changes[0], *changes[-(MOST_CHANGES - 1) :])
        return replace(self, state=state, changes=changes)

    @property
    def under_way_since(self) -> datetime:
        """When this round began."""
        begun = [one.at for one in self.changes if one.state is State.RECEIVED]
        return begun[-1] if begun else self.requested_at
