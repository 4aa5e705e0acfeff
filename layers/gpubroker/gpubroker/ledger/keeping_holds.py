"""Holds in the book: placed, adjusted, captured, released, and what is available beside them."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.ledger import holds, posting, transfers
from gpubroker.ledger.accounts import Balance, Kind, kind_of
from gpubroker.ledger.holds import BudgetCharge, BudgetUse, HeldFunds, HoldState, NewHold
from gpubroker.ledger.items import BudgetItem, HoldIdItem, HoldItem
from gpubroker.ledger.keeping_accounts import KeepsAccounts
from gpubroker.ledger.problems import HoldConflict, HoldExists, HoldNotFound, InsufficientFunds
from gpubroker.ledger.transfers import Movement
from gpubroker.storage.transaction import Writes

T = TypeVar("T")


class KeepsHolds(KeepsAccounts):
    def balance(self, account_id: str) -> Balance:
        """What an account has now, of one moment. Holds past their end are released first, swept or not (I6).

        One read; one more (an index) where something is held. Raises AccountNotFound.
        """
        account = self.account(account_id)
        if account.held and self.release_expired(account_id):
            account = self.account(account_id)
        available = account.posted - account.held
        return Balance(account_id, account.posted, account.held, available, account.credit_limit)

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

    def budget_use(self, key: str, period: str) -> BudgetUse:
        """What counts against a budget in a period."""
        try:
            item = BudgetItem.get(*BudgetItem.key(key, period), consistent_read=True)
        except DoesNotExist:
            return BudgetUse(0, 0)
        return BudgetUse(int(item.used), int(item.spent))

    def _with_room(self, once: Callable[[], T]) -> T:
        """Again where there was too little only because what had expired was still held."""
        while True:
            try:
                return once()
            except InsufficientFunds as refusal:
                if not self.release_expired(refusal.account_id):
                    raise
