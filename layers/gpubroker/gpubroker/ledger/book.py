"""The book: double entry on DynamoDB. What other contexts call, behind ports of their own.

Each operation is one transaction, and each has a form `add_...` that joins a transaction of the caller, so that a
rental and its hold, say, are one write. What a joined transaction refuses is raised when it is committed, and it
should be begun as `transaction(Model, backoff=PATIENT)`: an account may be wanted by many at once. Within one
transaction an account may be touched by one `add_...` only (DynamoDB takes one action an item).

    hold      1 transaction                       capture, void, adjust   1 read (the hold) and 1 transaction
    transfer  1 transaction                       reverse                 2 reads (the original) and 1 transaction

An id acts once for ever, not for the ten minutes that DynamoDB remembers a token. What is refused has written
nothing and used up no id: when the reason is gone, the same request may be sent again.
"""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid, Unavailable
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock, iso, parse_iso, utc_now
from gpubroker.ledger import activity, holds, posting, transfers
from gpubroker.ledger.accounts import Account, Balance, Kind, State, kind_of, shards_of
from gpubroker.ledger.activity import Entry
from gpubroker.ledger.holds import BudgetCharge, BudgetUse, HeldFunds, HoldState, NewHold
from gpubroker.ledger.items import AccountItem, BudgetItem, HoldIdItem, HoldItem, ReversedItem, TransferItem
from gpubroker.ledger.problems import (
    AccountNotFound,
    HoldConflict,
    HoldExists,
    HoldNotFound,
    InsufficientFunds,
    NotReversible,
    ReversalExceedsTransfer,
    TransferConflict,
    TransferExists,
    TransferNotFound,
)
from gpubroker.ledger.transfers import Leg, Movement, Receipt, Transfer
from gpubroker.resilience.backoff import Backoff
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

__all__ = ["Account", "Balance", "Book", "BudgetCharge", "Entry", "HeldFunds", "Leg", "NewHold", "Receipt", "Transfer"]

T = TypeVar("T")

_RACE = Backoff(base_s=0.01, cap_s=0.5, tries=12)


class Book:
    """All amounts are micro-dollars. `clock` gives the moments of postings and decides whether a hold has expired."""

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock, self._sleep, self._uniform = clock, sleep, uniform

    # ------------------------------------------------------------ accounts

    def open(self, account_id: str, *, credit_limit: MicroUsd = 0) -> Account:
        """Open an account, or find it as it is: for a user's or an organisation's on its first use."""
        kind, now = kind_of(account_id), self._now()
        transfers.check_amount("credit_limit", credit_limit)
        if kind is Kind.HOUSE:
            raise Invalid.of("account_id", "must not be a house account: these are always there")
        try:
            return self.account(account_id)
        except AccountNotFound:
            item = AccountItem(
                *AccountItem.key(account_id),
                kind=kind.value,
                credit_limit=credit_limit,
                room=credit_limit,
                opened_at=iso(now),
                version=1,
                gsi1pk=AccountItem.register_shard(account_id),
                gsi1sk=account_id,
            )
        try:
            with self._transaction() as tx:
                tx.put(item, condition=AccountItem.pk.does_not_exist())
        except StaleVersion:  # somebody else opened it meanwhile
            return self.account(account_id)
        return item.value()

    def account(self, account_id: str) -> Account:
        """One consistent read (of all shards in one call for a house account). Raises AccountNotFound."""
        kind = kind_of(account_id)
        if kind is Kind.HOUSE:
            return self._house(account_id)
        try:
            return AccountItem.get(*AccountItem.key(account_id), consistent_read=True).value()
        except DoesNotExist:
            raise AccountNotFound(f"There is no account {account_id}.") from None

    def _house(self, account_id: str) -> Account:
        keys = [AccountItem.key(shard) for shard in shards_of(account_id)]
        found = [item.value() for item in AccountItem.batch_get(keys, consistent_read=True)]
        return Account(
            account_id=account_id,
            kind=Kind.HOUSE,
            state=State.OPEN,
            credits=sum(one.credits for one in found),
            debits=sum(one.debits for one in found),
            held=sum(one.held for one in found),
            credit_limit=0,
            postings=sum(one.postings for one in found),
            version=sum(one.version for one in found),
            opened_at=min((one.opened_at for one in found), default=self._now()),
        )

    def set_state(self, account_id: str, state: State) -> Account:
        """Freeze, close or open again. What is held then is settled all the same."""
        self._no_house(account_id)
        with self._transaction() as tx:
            tx.update(
                AccountItem(*AccountItem.key(account_id)),
                actions=[AccountItem.state.set(state.value), AccountItem.version.add(1)],
                condition=AccountItem.pk.exists(),
                lost=AccountNotFound(f"There is no account {account_id}."),
            )
        return self.account(account_id)

    def set_credit_limit(self, account_id: str, limit: MicroUsd) -> Account:
        """How far below nothing the account may go. A limit under what is used already stops new debits only."""
        self._no_house(account_id)
        transfers.check_amount("credit_limit", limit)

        def once() -> Account:
            before = self.account(account_id)
            with self._transaction() as tx:
                same = AccountItem.credit_limit == before.credit_limit
                tx.update(
                    AccountItem(*AccountItem.key(account_id)),
                    actions=[
                        AccountItem.credit_limit.set(limit),
                        AccountItem.room.add(limit - before.credit_limit),
                        AccountItem.version.add(1),
                    ],
                    condition=same if before.credit_limit else AccountItem.credit_limit.does_not_exist() | same,
                )
            return replace(before, credit_limit=limit, version=before.version + 1)

        return self._racing(once)

    def balance(self, account_id: str) -> Balance:
        """What an account has now, of one moment. Holds past their end are released first, swept or not (I6).

        One read; one more (an index) where something is held. Raises AccountNotFound.
        """
        account = self.account(account_id)
        if account.held and self.release_expired(account_id):
            account = self.account(account_id)
        available = account.posted - account.held
        return Balance(account_id, account.posted, account.held, available, account.credit_limit)

    # ------------------------------------------------------------ holds

    def hold(self, hold: NewHold) -> HeldFunds:
        """Hold money of an account: it stays there, and nobody can spend it twice.

        The same hold a second time gives the stored answer of the first. Raises HoldConflict (the id was another
        hold's), AccountNotFound, AccountFrozen, AccountClosed, InsufficientFunds, BudgetExceeded, Invalid, Unavailable.
        """

        def once() -> HeldFunds:
            with self._transaction() as tx:
                return self.add_hold(tx, hold)

        try:
            return self._with_room(once)
        except HoldExists:
            return self._placed(hold)

    def add_hold(self, tx: Writes, hold: NewHold) -> HeldFunds:
        """`hold` as part of the caller's transaction, which fails with HoldExists where the id has acted before.

        InsufficientFunds may mean that holds past their end were not swept yet: `release_expired` and try again.
        """
        holds.check(hold)
        placed = holds.placed(hold, now=self._now())
        posting.put_hold(tx, placed, holds.fingerprint_of(hold))
        kind = kind_of(hold.account_id)
        if kind is Kind.HOUSE:
            raise Invalid.of("account_id", "must not be a house account")
        posting.move(tx, Movement(hold.account_id, kind, held=hold.amount), at=placed.placed_at)
        posting.count(tx, hold.budget, used=hold.amount)
        return placed

    def _placed(self, hold: NewHold) -> HeldFunds:
        """The stored answer of a hold whose id has acted before."""
        item = HoldIdItem.get(*HoldIdItem.key(hold.hold_id), consistent_read=True)
        if item.fingerprint != holds.fingerprint_of(hold):
            raise HoldConflict(f"The id {hold.hold_id} was used for another hold.")
        return item.value()

    def held(self, hold_id: str, account_id: str) -> HeldFunds:
        """A hold as it is now. Raises HoldNotFound, also where it is another account's."""
        try:
            return HoldItem.get(HoldItem.partition(account_id), hold_id, consistent_read=True).value()
        except DoesNotExist:
            raise HoldNotFound(f"There is no hold {hold_id} on {account_id}.") from None

    def adjust(
        self,
        hold_id: str,
        account_id: str,
        amount: MicroUsd,
        *,
        expires_at: datetime | None = None,
        budget: tuple[BudgetCharge, ...] = (),
    ) -> HeldFunds:
        """Hold another amount than before, until another end where one is given.

        budget: new limits of the budgets that the hold counts against (others in it are left out of account).
        More is refused as a new hold would be; less is always let through, also on a frozen or closed account.
        Raises HoldNotFound, HoldResolved, HoldExpired, and what `hold` raises.
        """

        def once() -> HeldFunds:
            with self._transaction() as tx:
                return self.add_adjust(tx, hold_id, account_id, amount, expires_at=expires_at, budget=budget)

        return self._with_room(lambda: self._racing(once))

    def add_adjust(
        self,
        tx: Writes,
        hold_id: str,
        account_id: str,
        amount: MicroUsd,
        *,
        expires_at: datetime | None = None,
        budget: tuple[BudgetCharge, ...] = (),
    ) -> HeldFunds:
        """`adjust` as part of the caller's transaction: reads the hold now, and fails with HoldChanged (a
        StaleVersion) where it was changed before the commit."""
        transfers.check_amount("amount", amount)
        before, now = self.held(hold_id, account_id), self._now()
        after = holds.adjusted(before, amount, expires_at=expires_at, budget=budget, now=now)
        more = amount - before.amount
        if not more and after.expires_at == before.expires_at:
            holds.must_be_active(before, now=now)
            return before
        posting.save_hold(tx, before, after)
        if more:
            posting.move(tx, Movement(account_id, kind_of(account_id), held=more), at=now)
        posting.count(tx, after.budget, used=more)
        return after

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

    def void(self, hold_id: str, account_id: str) -> HeldFunds:
        """Release a hold. One that was released before, or has expired, is answered as it is; raises HoldNotFound,
        and HoldResolved for one that was captured."""

        def once() -> HeldFunds:
            with self._transaction() as tx:
                return self.add_void(tx, hold_id, account_id)

        return self._racing(once)

    def add_void(self, tx: Writes, hold_id: str, account_id: str) -> HeldFunds:
        """`void` as part of the caller's transaction: reads the hold now; adds nothing where it was released before;
        the commit fails with HoldChanged where it was changed meanwhile."""
        before, now = self.held(hold_id, account_id), self._now()
        after = holds.released(before, now=now)
        if after is not before:
            self._release(tx, before, after, now)
        return after

    def _release(self, tx: Writes, before: HeldFunds, after: HeldFunds, now: datetime) -> None:
        posting.save_hold(tx, before, after)
        posting.move(tx, Movement(before.account_id, kind_of(before.account_id), held=-before.amount), at=now)
        posting.count(tx, before.budget, used=-before.amount)

    def release_expired(self, account_id: str) -> int:
        """Release what an account holds past its end; how many holds that were. The sweep does so each minute."""
        until = f"{iso(self._clock())}~"
        shard, partition = HoldItem.due_shard(account_id), HoldItem.partition(account_id)
        over = [item.sk for item in HoldItem.due.query(shard, HoldItem.gsi1sk < until) if item.pk == partition]
        return sum(self.expire(hold_id, account_id) for hold_id in over)

    def expire(self, hold_id: str, account_id: str) -> bool:
        """Release one hold that is past its end; whether it was. The index that named it may lag behind the hold."""

        def once() -> bool:
            before, now = self.held(hold_id, account_id), self._now()
            if before.state is not HoldState.ACTIVE or not before.is_past(now):
                return False
            with self._transaction() as tx:
                self._release(tx, before, holds.released(before, now=now), now)
            return True

        return self._racing(once)

    # ------------------------------------------------------------ transfers

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

    # ------------------------------------------------------------ what happened

    def activity(
        self,
        account_id: str,
        *,
        limit: int,
        before: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Entry]:
        """Entries of an account, the newest first: from before the `place` of one that was read, in [since, until).

        One query (one for each shard of a house account). An account without entries, or unknown, has none.
        """
        return activity.entries(account_id, limit=limit, before=before, since=since, until=until)

    def holds_of(self, account_id: str, *, limit: int, before: str | None = None) -> list[HeldFunds]:
        """Holds of an account in whatever state, from the greatest id down (ids of rentals sort by time), from before
        the id of one that was read. One query."""
        return activity.holds(account_id, limit=limit, before=before)

    # ------------------------------------------------------------ budgets

    def budget_use(self, key: str, period: str) -> BudgetUse:
        """What counts against a budget in a period."""
        try:
            item = BudgetItem.get(*BudgetItem.key(key, period), consistent_read=True)
        except DoesNotExist:
            return BudgetUse(0, 0)
        return BudgetUse(int(item.used), int(item.spent))

    # ------------------------------------------------------------ of all

    def _transaction(self) -> AbstractContextManager[Writes]:
        return transaction(AccountItem, backoff=PATIENT)

    def _now(self) -> datetime:
        """The present to the millisecond, as it is kept."""
        return parse_iso(iso(self._clock()))

    def _no_house(self, account_id: str) -> None:
        if kind_of(account_id) is Kind.HOUSE:
            raise Invalid.of("account_id", "must not be a house account")

    def _racing(self, once: Callable[[], T]) -> T:
        """Again with a fresh read while others are first."""
        for attempt in range(_RACE.tries):
            try:
                return once()
            except StaleVersion:
                self._sleep(_RACE.wait(attempt, self._uniform))
        raise Unavailable("This changes too fast; try again.", retry_after=1)

    def _with_room(self, once: Callable[[], T]) -> T:
        """Again where there was too little only because what had expired was still held."""
        while True:
            try:
                return once()
            except InsufficientFunds as refusal:
                if not self.release_expired(refusal.account_id):
                    raise


def _capture_body(hold_id: str, account_id: str, amount: MicroUsd, legs_to: Mapping[str, MicroUsd]) -> str:
    return transfers.fingerprint("capture", hold_id, account_id, amount, dict(legs_to))


def _reversal_body(original_id: str, amount: MicroUsd | None, reason: str) -> str:
    return transfers.fingerprint("reversal", original_id, amount, reason)
