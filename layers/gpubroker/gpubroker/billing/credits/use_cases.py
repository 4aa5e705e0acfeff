"""What administrators and owners may do with credits: grant one, see them, void one."""

from dataclasses import replace

from gpubroker.billing import facts
from gpubroker.billing.accounts import Accounts, known, seen
from gpubroker.billing.credits.credit import Credit
from gpubroker.billing.credits.grant import Grant, Recurrence
from gpubroker.billing.credits.items import CreditItem
from gpubroker.billing.credits.requests import CreditRequest
from gpubroker.billing.credits.store import Credits
from gpubroker.billing.credits.views import CreditPage, CreditView
from gpubroker.billing.once import once
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.money import micros
from gpubroker.kernel.time import Clock, iso


class CreditDesk:
    def __init__(self, *, credits: Credits, accounts: Accounts, clock: Clock):
        self._credits, self._accounts, self._clock = credits, accounts, clock

    def grant(
        self, caller: Caller, account_id: str, wanted: CreditRequest, idempotency: Idempotency | None
    ) -> CreditView:
        """Give an account credit. The same key and body give the same credit. Raises AccountNotFound, Invalid."""
        known(self._accounts, account_id)
        now = self._clock()
        effective_at = wanted.effective_at or now
        if wanted.expires_at is not None and wanted.expires_at <= max(now, effective_at):
            raise Invalid.of("expires_at", "must lie in the future, and come after effective_at")
        again = wanted.recurrence
        credit = Credit(
            account_id=account_id,
            grant=Grant(
                grant_id=new_id("crd", now_ms=lambda: int(now.timestamp() * 1000)),
                amount=micros(wanted.amount),
                effective_at=effective_at,
                created_at=now,
                priority=wanted.priority,
                expires_at=wanted.expires_at,
                recurrence=Recurrence(again.every, again.anchor or effective_at) if again else None,
                resources=tuple(dict.fromkeys(wanted.resources)),
            ),
            name=wanted.name,
            granted_by=caller.subject,
        )
        view = CreditView.of(credit, now)
        after = view.model_dump(mode="json")
        told = facts.intervention(
            "credit-granted", account_id, by=caller.subject, reason=wanted.reason, after=after, now=now
        )

        def create() -> CreditView:
            self._credits.create(credit, told, idempotency=idempotency, answer=after)
            return view

        return once(CreditView, CreditItem, idempotency, create)

    def page_of(self, caller: Caller, account_id: str, limit: int, before: str | None) -> tuple[CreditPage, str | None]:
        """One page and the credit id that the next begins before (None on the last). Raises AccountNotFound."""
        seen(self._accounts, caller, account_id)
        found, now = self._credits.newest_of(account_id, limit + 1, before=before), self._clock()
        position = found[limit - 1].credit_id if len(found) > limit else None
        return CreditPage(credits=[CreditView.of(one, now) for one in found[:limit]], next_cursor=None), position

    def void(self, caller: Caller, account_id: str, credit_id: str, reason: str | None) -> CreditView:
        """End a credit now: what is left of it is gone, what was consumed stays paid. Asking twice is harmless.

        Raises CreditNotFound."""
        now = self._clock()

        def rule(credit: Credit) -> tuple[Credit, Event | None]:
            if credit.grant.voided_at is not None:
                return credit, None
            after = replace(credit, grant=replace(credit.grant, voided_at=now))
            gone = CreditView.of(credit, now)
            told = facts.intervention(
                "credit-voided",
                account_id,
                by=caller.subject,
                reason=reason,
                before=gone.model_dump(mode="json"),
                after={"credit_id": credit_id, "voided_at": iso(now)},
                now=now,
            )
            return after, told

        return CreditView.of(self._credits.change(account_id, credit_id, rule), now)
