"""Accounts in the book: opened, looked at, frozen, closed, given credit."""

from dataclasses import replace

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.ledger import transfers
from gpubroker.ledger.accounts import Account, Kind, State, kind_of, shards_of
from gpubroker.ledger.items import AccountItem
from gpubroker.ledger.keeping import Keeping
from gpubroker.ledger.problems import AccountNotFound
from gpubroker.storage.transaction import StaleVersion


class KeepsAccounts(Keeping):
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

    def _no_house(self, account_id: str) -> None:
        if kind_of(account_id) is Kind.HOUSE:
            raise Invalid.of("account_id", "must not be a house account")
