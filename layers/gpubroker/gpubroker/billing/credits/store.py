"""Where credits are kept. What an invoice consumes is written in the invoice's own transaction, once for ever."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.billing import facts
from gpubroker.billing.credits.burning import burn
from gpubroker.billing.credits.credit import MOST_BURNT, Consumption, Credit
from gpubroker.billing.credits.items import ConsumptionItem, CreditItem, credits_pk, uses_pk
from gpubroker.kernel.errors import Conflict, NotFound, Unavailable
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.money import MicroUsd
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, Writes, transaction

_TRIES = 8


class CreditNotFound(NotFound):
    code = "credit-not-found"
    title = "There is no such credit"


class AlreadyConsumed(Conflict):
    """The invoice has consumed its credits; `consumption_of` says which."""

    code = "credits-already-consumed"
    title = "This invoice has consumed its credits already"


class Credits:
    def create(self, credit: Credit, told: Event, *, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
        """Write a new credit and the fact of it. Raises AlreadyDone."""
        with transaction(CreditItem) as tx:
            stored.remember(tx, CreditItem, idempotency, answer)
            tx.put(CreditItem.of(credit), condition=CreditItem.pk.does_not_exist())
            tx.put(outbox_item(CreditItem, told, source=facts.SOURCE))

    def of(self, account_id: str, credit_id: str) -> Credit:
        """One strongly consistent read. Raises CreditNotFound."""
        try:
            return CreditItem.get(credits_pk(account_id), credit_id, consistent_read=True).value()
        except DoesNotExist:
            raise CreditNotFound(f"There is no credit {credit_id}.") from None

    def newest_of(self, account_id: str, limit: int, *, before: str | None = None) -> list[Credit]:
        """Credits of an account, the newest first, from before the credit id `before` on."""
        condition = CreditItem.sk < before if before else None
        found = CreditItem.query(
            credits_pk(account_id),
            condition,
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [item.value() for item in found]

    def change(self, account_id: str, credit_id: str, rule: Callable[[Credit], tuple[Credit, Event | None]]) -> Credit:
        """Read, apply a rule, write if nobody was faster; else again. A rule that changes nothing writes nothing."""
        for _ in range(_TRIES):
            before = self.of(account_id, credit_id)
            after, told = rule(before)
            if after == before:
                return before
            after = replace(after, version=before.version + 1)
            try:
                with transaction(CreditItem) as tx:
                    tx.put(CreditItem.of(after), condition=CreditItem.version == before.version)
                    if told is not None:
                        tx.put(outbox_item(CreditItem, told, source=facts.SOURCE))
                return after
            except StaleVersion:
                continue  # an invoice burnt some of it meanwhile
        raise Unavailable(f"{credit_id} is changing too fast; try again.", retry_after=1)

    # ------------------------------------------------------------ what invoices consume

    def consumption_of(self, account_id: str, invoice_id: str) -> Consumption | None:
        """What an invoice consumed; None when it consumed nothing yet."""
        try:
            return ConsumptionItem.get(uses_pk(account_id), invoice_id, consistent_read=True).value()
        except DoesNotExist:
            return None

    def add_consume(
        self,
        tx: Writes,
        account_id: str,
        invoice_id: str,
        charges: Mapping[str, MicroUsd] | MicroUsd,
        *,
        since: datetime,
        until: datetime,
    ) -> Consumption:
        """Add to a transaction what an invoice for [since, until) burns of the account's credits: once for ever.

        charges: micro-USD by resource, in the order in which they are paid; or one amount. Those without a resource
        are paid by credits for any only. The transaction is lost to AlreadyConsumed when the invoice has consumed
        before, and to StaleVersion when another burnt or voided one of the credits meanwhile: build it anew then.
        At most MOST_BURNT + 1 writes, and a record even where nothing was burnt.
        """
        wanted = {"": charges} if isinstance(charges, int) else dict(charges)
        at = until - until.resolution  # the recurrence that the period ended in
        usable = {one.credit_id: one for one in self._all(account_id) if one.counts(since, until)}
        balances = {credit_id: credit.balance(at) for credit_id, credit in usable.items()}
        ready = sorted((one for one in usable.values() if balances[one.credit_id] > 0), key=lambda one: one.grant.order)
        burnt, left = burn([one.grant for one in ready][:MOST_BURNT], balances, wanted)
        spent: dict[str, MicroUsd] = {}
        for one in burnt:
            spent[one.grant_id] = spent.get(one.grant_id, 0) + one.amount
        after = {credit_id: usable[credit_id].burnt(amount, at) for credit_id, amount in spent.items()}
        used = Consumption(
            account_id,
            invoice_id,
            tuple(burnt),
            left,
            at,
            {credit_id: one.used_since for credit_id, one in after.items() if one.used_since is not None},
        )
        lost = AlreadyConsumed(f"The invoice {invoice_id} has consumed its credits.")
        tx.put(ConsumptionItem.of(used), condition=ConsumptionItem.pk.does_not_exist(), lost=lost)
        for credit_id, credit in after.items():
            tx.put(CreditItem.of(credit), condition=CreditItem.version == usable[credit_id].version)
        return used

    def add_give_back(self, tx: Writes, account_id: str, invoice_id: str, amount: MicroUsd | None = None) -> MicroUsd:
        """Add to a transaction that credits an invoice burnt are whole again, the last burnt first: when it is voided
        (all of them) or credited for a part. Gives how much comes back; what was given back before does not.

        Credits that expired or were voided since take it back and stay what they are. Lost to StaleVersion like
        `add_consume`.
        """
        used = self.consumption_of(account_id, invoice_id)
        if used is None:
            return 0
        wanted = used.amount - used.given_back if amount is None else min(amount, used.amount - used.given_back)
        if wanted <= 0:
            return 0
        back: dict[str, MicroUsd] = {}
        passed, left = used.given_back, wanted
        for one in reversed(used.burnt):
            skipped = min(passed, one.amount)
            passed -= skipped
            part = min(left, one.amount - skipped)
            if part:
                back[one.grant_id] = back.get(one.grant_id, 0) + part
                left -= part
        for credit_id, part in back.items():
            before = self.of(account_id, credit_id)
            after = before.given_back(part, used.since.get(credit_id))
            tx.put(CreditItem.of(after), condition=CreditItem.version == before.version)
        after_use = replace(used, given_back=used.given_back + wanted, version=used.version + 1)
        tx.put(ConsumptionItem.of(after_use), condition=ConsumptionItem.version == used.version)
        return wanted

    def _all(self, account_id: str) -> list[Credit]:
        return [item.value() for item in CreditItem.query(credits_pk(account_id), consistent_read=True)]
