"""Transfers in the book: posted, captured from a hold, reversed."""

from collections.abc import Mapping
from dataclasses import replace

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd
from gpubroker.ledger import holds, posting, transfers
from gpubroker.ledger.accounts import kind_of
from gpubroker.ledger.holds import BudgetCharge
from gpubroker.ledger.items import ReversedItem, TransferItem
from gpubroker.ledger.keeping_holds import KeepsHolds
from gpubroker.ledger.problems import (
    NotReversible,
    ReversalExceedsTransfer,
    TransferConflict,
    TransferExists,
    TransferNotFound,
)
from gpubroker.ledger.transfers import Leg, Movement, Receipt, Transfer
from gpubroker.storage.transaction import Writes


class KeepsTransfers(KeepsHolds):
    def transfer(self, transfer: Transfer, *, budget: tuple[BudgetCharge, ...] = ()) -> Receipt:
        """Post a transfer, all its legs or none. The same again gives the stored receipt of the first.

        budget: counted in the same transaction, by what the account of the first leg pays.
        Raises TransferConflict (the id was used with another body), AccountNotFound, AccountFrozen, AccountClosed,
        InsufficientFunds, BudgetExceeded, Invalid, Unavailable.
        """

        def once() -> Receipt:
            with self._transaction() as tx:
                return self.add_transfer(tx, transfer, budget=budget)

        try:
            return self._with_room(once)
        except TransferExists:
            return self._posted(transfer.transfer_id, transfers.fingerprint_of(transfer))

    def add_transfer(self, tx: Writes, transfer: Transfer, *, budget: tuple[BudgetCharge, ...] = ()) -> Receipt:
        """`transfer` as part of the caller's transaction, which fails with TransferExists where the id has acted
        before."""
        transfers.check(transfer)
        receipt = Receipt(transfer.transfer_id, transfer.kind, transfer.legs, transfer.reference, self._now())
        moved = transfers.movements(transfer.transfer_id, transfer.legs)
        posting.post(tx, receipt, moved, transfers.fingerprint_of(transfer))
        spent = sum(leg.amount for leg in transfer.legs if leg.debit == transfer.legs[0].debit)
        posting.count(tx, budget, used=spent, spent=spent)
        return receipt

    def capture(
        self, hold_id: str, account_id: str, capture_id: str, amount: MicroUsd, legs_to: Mapping[str, MicroUsd]
    ) -> Receipt:
        """Post `amount` of what is held to the accounts of `legs_to`, and release the rest, in one transaction.

        legs_to   account -> micro-dollars, which add up to `amount`; empty where that is 0
        Once: the same capture again gives the stored receipt. Raises TransferConflict (the capture's id was used
        otherwise), HoldNotFound, HoldResolved, HoldExpired, HoldExceeded, Invalid. A frozen or closed account does
        not stand in the way of what it owed before.
        """

        def once() -> Receipt:
            with self._transaction() as tx:
                return self.add_capture(tx, hold_id, account_id, capture_id, amount, legs_to)

        try:
            return self._racing(once)
        except TransferExists:
            return self._posted(capture_id, _capture_body(hold_id, account_id, amount, legs_to))

    def add_capture(
        self,
        tx: Writes,
        hold_id: str,
        account_id: str,
        capture_id: str,
        amount: MicroUsd,
        legs_to: Mapping[str, MicroUsd],
    ) -> Receipt:
        """`capture` as part of the caller's transaction: reads the hold now. Raises TransferExists at once where this
        very capture was done before; the commit fails with HoldChanged where the hold was changed meanwhile."""
        transfers.check_id("capture_id", capture_id)
        transfers.check_amount("amount", amount)
        legs = tuple(Leg(account_id, credit, part) for credit, part in legs_to.items())
        transfers.check_legs(legs)
        if sum(legs_to.values()) != amount:
            raise Invalid.of("legs_to", "must add up to the amount that is captured")
        before, now = self.held(hold_id, account_id), self._now()
        if before.capture_id == capture_id:
            raise TransferExists(f"The capture {capture_id} was made before.")
        after = holds.captured(before, capture_id, amount, now=now)
        receipt = Receipt(
            capture_id, "capture", legs, before.reference, now, hold_id=hold_id, released=before.amount - amount
        )
        moved = transfers.movements(capture_id, legs)
        payer = moved.get(account_id, Movement(account_id, kind_of(account_id)))
        moved[account_id] = replace(payer, held=-before.amount, new_debit=False)
        posting.post(tx, receipt, moved, _capture_body(hold_id, account_id, amount, legs_to))
        posting.save_hold(tx, before, after)
        posting.count(tx, before.budget, used=amount - before.amount, spent=amount)
        return receipt

    def receipt(self, transfer_id: str) -> Receipt:
        """A transfer, capture or reversal that was posted. Raises TransferNotFound."""
        return self._stored(transfer_id).value()

    def reverse(self, reversal_id: str, original_id: str, amount: MicroUsd | None = None, reason: str = "") -> Receipt:
        """Take back a transfer or a capture by a new one, with its legs mirrored.

        amount: of the sum of its legs, None for all that is left. A part is taken of each leg in proportion
        (transfers.taken_back), fees with the rest. Reversals of one transfer never add up to more than it. A seller
        who was paid out already is overdrawn, which is what it owes. Raises TransferNotFound, NotReversible,
        ReversalExceedsTransfer, TransferConflict, and what `transfer` raises.
        """
        body = _reversal_body(original_id, amount, reason)

        def once() -> Receipt:
            with self._transaction() as tx:
                return self.add_reverse(tx, reversal_id, original_id, amount, reason)

        try:
            return self._with_room(lambda: self._racing(once))
        except (TransferExists, ReversalExceedsTransfer):
            # All may be taken back because this very reversal took it.
            try:
                return self._posted(reversal_id, body)
            except TransferNotFound:
                pass
            raise

    def add_reverse(
        self, tx: Writes, reversal_id: str, original_id: str, amount: MicroUsd | None = None, reason: str = ""
    ) -> Receipt:
        """`reverse` as part of the caller's transaction: reads the original now; the commit fails with TransferExists
        where the reversal's id has acted before, with StaleVersion where another reversal came between. Where all was
        taken back before, ReversalExceedsTransfer is raised at once, also for a repetition."""
        transfers.check_id("reversal_id", reversal_id)
        transfers.check_text("reason", reason)
        if amount is not None:
            transfers.check_amount("amount", amount, least=1)
        original, done, version = self._original(original_id)
        try:
            parts = transfers.taken_back(original.legs, done, amount)
        except ValueError:
            raise ReversalExceedsTransfer(
                f"{original.amount - sum(done)} micro-dollars of {original_id} are left to be reversed."
            ) from None
        legs = tuple(Leg(leg.credit, leg.debit, part) for leg, part in zip(original.legs, parts, strict=True) if part)
        reference = dict(original.reference) | ({"reason": reason} if reason else {})
        receipt = Receipt(reversal_id, "reversal", legs, reference, self._now(), reverses=original_id)
        moved = transfers.movements(reversal_id, legs, reversal=True)
        posting.post(tx, receipt, moved, _reversal_body(original_id, amount, reason))
        total = [before + part for before, part in zip(done, parts, strict=True)]
        condition = ReversedItem.version == version if version else ReversedItem.pk.does_not_exist()
        tx.put(ReversedItem.of(original_id, total, version + 1), condition=condition)
        return receipt

    def _original(self, transfer_id: str) -> tuple[Receipt, list[MicroUsd], int]:
        """A transfer, what was taken back of each leg, and the version of that."""
        receipt = self._stored(transfer_id).value()
        if receipt.reverses is not None:
            raise NotReversible(f"{transfer_id} is itself a reversal.")
        try:
            record = ReversedItem.get(*ReversedItem.key(transfer_id), consistent_read=True)
        except DoesNotExist:
            return receipt, [0] * len(receipt.legs), 0
        return receipt, record.value(), int(record.version or 0)

    def _stored(self, transfer_id: str) -> TransferItem:
        try:
            return TransferItem.get(*TransferItem.key(transfer_id), consistent_read=True)
        except DoesNotExist:
            raise TransferNotFound(f"There is no transfer {transfer_id}.") from None

    def _posted(self, transfer_id: str, fingerprint: str) -> Receipt:
        """The stored receipt of an id that has acted before, for the same body."""
        item = self._stored(transfer_id)
        if item.fingerprint != fingerprint:
            raise TransferConflict(f"The id {transfer_id} was used for another transfer.")
        return item.value()


def _capture_body(hold_id: str, account_id: str, amount: MicroUsd, legs_to: Mapping[str, MicroUsd]) -> str:
    return transfers.fingerprint("capture", hold_id, account_id, amount, dict(legs_to))


def _reversal_body(original_id: str, amount: MicroUsd | None, reason: str) -> str:
    return transfers.fingerprint("reversal", original_id, amount, reason)
