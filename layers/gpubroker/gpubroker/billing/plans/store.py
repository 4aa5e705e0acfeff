"""Where price plans are kept, and which account is on which. A version that has begun never changes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson
from pynamodb.exceptions import DoesNotExist

from gpubroker.billing import facts
from gpubroker.billing.plans.items import PLANS, AccountPlanItem, PlanItem, VersionItem, version_pk, version_sk
from gpubroker.billing.plans.plan import EPOCH, STANDARD, PlanPeriod, PlanVersion, stretches
from gpubroker.billing.plans.standard import STANDARD_PLAN
from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso, parse_iso
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import Writes, transaction

MOST_VERSIONS = 90
"""Of one plan, so that a plan and its versions are one transaction."""
MOST_CHANGES = 500
"""Of one account's plans."""


class PlanNotFound(NotFound):
    code = "price-plan-not-found"
    title = "There is no such price plan, or no such version of it"

    @classmethod
    def of(cls, plan_id: str, version: int | None = None) -> "PlanNotFound":
        which = plan_id if version is None else f"{plan_id}, version {version}"
        return cls(f"There is no price plan {which}.")


class PlanExists(Conflict):
    code = "price-plan-exists"
    title = "There is a price plan of this name already"


class PlanInUse(Conflict):
    """It was used, or is being used: what was invoiced must stay what it was."""

    code = "price-plan-in-use"
    title = "This price plan, or this version of it, is in use"


class TooManyVersions(Conflict):
    code = "price-plan-full"
    title = "This has been changed as often as it can be"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan without its prices: which version holds from when, and how often an account was put on it."""

    plan_id: str
    timeline: tuple[tuple[int, datetime], ...]
    latest: int
    accounts: int = 0
    version: int = 0

    def version_at(self, at: datetime) -> int:
        """The version that holds at a moment, or the first to come."""
        held = [(since, version) for version, since in self.timeline if since <= at]
        return max(held)[1] if held else min((since, version) for version, since in self.timeline)[1]


@dataclass(frozen=True, slots=True)
class AccountPlans:
    """(plan, since) of each change, in order of time; before the first an account is on the standard plan."""

    account_id: str
    changes: tuple[tuple[str, datetime], ...] = ()
    version: int = 0

    def at(self, moment: datetime) -> tuple[str, datetime]:
        """The plan of a moment, and since when."""
        return max(
            (change for change in self.changes if change[1] <= moment),
            key=lambda change: change[1],
            default=(STANDARD, EPOCH),
        )

    def put_on(self, plan_id: str, since: datetime) -> "AccountPlans":
        """On another plan from a moment on; what was to come after it is replaced."""
        kept = tuple(change for change in self.changes if change[1] < since)
        return replace(self, changes=(*kept, (plan_id, since)), version=self.version + 1)


_BUILT_IN = Plan(STANDARD, ((1, EPOCH),), 1)


class Plans:
    # ------------------------------------------------------------ plans and versions

    def page(self, limit: int, after: str | None) -> list[Plan]:
        """Plans by their ids, after one; the standard plan is there whether it was ever changed or not."""
        condition = PlanItem.sk > after if after else None
        found = PlanItem.query(PLANS, condition, limit=limit, page_size=limit, consistent_read=True)
        plans = {item.sk: _plan(item) for item in found}
        if (after is None or after < STANDARD) and STANDARD not in plans:
            plans[STANDARD] = self._plan_or_none(STANDARD) or _BUILT_IN
        return [plans[name] for name in sorted(plans)][:limit]

    def plan(self, plan_id: str) -> Plan:
        """One strongly consistent read. Raises PlanNotFound."""
        found = self._plan_or_none(plan_id)
        if found is None:
            if plan_id != STANDARD:
                raise PlanNotFound.of(plan_id)
            return _BUILT_IN
        return found

    def _plan_or_none(self, plan_id: str) -> Plan | None:
        try:
            return _plan(PlanItem.get(PLANS, plan_id, consistent_read=True))
        except DoesNotExist:
            return None

    def versions(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], PlanVersion]:
        """Versions by plan and number. Raises PlanNotFound where one is missing."""
        asked = set(wanted)
        found: dict[tuple[str, int], PlanVersion] = {}
        if (STANDARD, 1) in asked:
            found[STANDARD, 1] = STANDARD_PLAN
        keys = [(version_pk(plan_id), version_sk(version)) for plan_id, version in asked - set(found)]
        for item in VersionItem.batch_get(keys, consistent_read=True) if keys else ():
            plan = item.value()
            found[plan.plan_id, plan.version] = plan
        for plan_id, version in sorted(asked - set(found)):
            raise PlanNotFound.of(plan_id, version)
        return found

    def create(
        self, plan: PlanVersion, told: Event, *, idempotency: Idempotency | None, answer: dict[str, Any]
    ) -> None:
        """A new plan with its first version. Raises PlanExists, AlreadyDone."""
        exists = PlanExists(f"There is a price plan {plan.plan_id} already.")
        with transaction(PlanItem) as tx:
            stored.remember(tx, PlanItem, idempotency, answer)
            item = PlanItem.key(plan.plan_id)
            item.timeline = orjson.dumps([(1, iso(plan.effective_from))]).decode()
            item.latest, item.accounts, item.version = 1, 0, 1
            tx.put(item, condition=PlanItem.pk.does_not_exist(), lost=exists)
            tx.put(VersionItem.of(plan), condition=VersionItem.pk.does_not_exist(), lost=exists)
            tx.put(outbox_item(PlanItem, told, source=facts.SOURCE))

    def add_version(
        self,
        before: Plan,
        plan: PlanVersion,
        told: Event,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """The next version of a plan as it was read. Raises TooManyVersions, StaleVersion, AlreadyDone."""
        if len(before.timeline) >= MOST_VERSIONS:
            raise TooManyVersions(f"A plan has at most {MOST_VERSIONS} versions; make a new plan.")
        after = replace(
            before,
            timeline=(*before.timeline, (plan.version, plan.effective_from)),
            latest=plan.version,
            version=before.version + 1,
        )
        with transaction(PlanItem) as tx:
            stored.remember(tx, PlanItem, idempotency, answer)
            _change(tx, before, after)
            tx.put(VersionItem.of(plan), condition=VersionItem.pk.does_not_exist())
            tx.put(outbox_item(PlanItem, told, source=facts.SOURCE))

    def remove_version(self, before: Plan, version: int, told: Event) -> None:
        """Take back a version that has not begun (the caller looked). Raises StaleVersion."""
        kept = tuple(one for one in before.timeline if one[0] != version)
        with transaction(PlanItem) as tx:
            _change(tx, before, replace(before, timeline=kept, version=before.version + 1))
            tx.delete(VersionItem(version_pk(before.plan_id), version_sk(version)))
            tx.put(outbox_item(PlanItem, told, source=facts.SOURCE))

    def remove(self, before: Plan, told: Event) -> None:
        """Forget a plan that no account was ever put on. Raises PlanInUse, StaleVersion."""
        with transaction(PlanItem) as tx:
            condition = (PlanItem.version == before.version) & (PlanItem.accounts == 0)
            tx.delete(PlanItem.key(before.plan_id), condition=condition)
            for version, _ in before.timeline:
                tx.delete(VersionItem(version_pk(before.plan_id), version_sk(version)))
            tx.put(outbox_item(PlanItem, told, source=facts.SOURCE))

    # ------------------------------------------------------------ accounts

    def account(self, account_id: str) -> AccountPlans:
        """Which plans an account was, is and will be on."""
        key = AccountPlanItem.of(account_id, [], 0)
        try:
            item = AccountPlanItem.get(key.pk, key.sk, consistent_read=True)
        except DoesNotExist:
            return AccountPlans(account_id)
        changes = tuple((plan_id, parse_iso(since)) for plan_id, since in orjson.loads(item.plans))
        return AccountPlans(account_id, changes, int(item.version))

    def put_on(
        self,
        before: AccountPlans,
        after: AccountPlans,
        plan: Plan,
        told: Event,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Change an account's plans, as they were read. The plan must still be there.

        Raises StaleVersion, TooManyVersions, AlreadyDone.
        """
        if len(after.changes) > MOST_CHANGES:
            raise TooManyVersions(f"An account changes its plan at most {MOST_CHANGES} times.")
        changes = [(plan_id, iso(since)) for plan_id, since in after.changes]
        with transaction(PlanItem) as tx:
            stored.remember(tx, PlanItem, idempotency, answer)
            tx.put(
                AccountPlanItem.of(before.account_id, changes, after.version),
                condition=(AccountPlanItem.version == before.version)
                if before.version
                else AccountPlanItem.pk.does_not_exist(),
            )
            if plan.version:
                # A plan is forgotten only while nobody was put on it: one of the two writes comes first.
                tx.update(
                    PlanItem.key(plan.plan_id),
                    actions=[PlanItem.accounts.add(1)],
                    condition=PlanItem.pk.exists(),
                    lost=PlanNotFound.of(plan.plan_id),
                )
            tx.put(outbox_item(PlanItem, told, source=facts.SOURCE))

    def periods(self, account_id: str, start: datetime, end: datetime) -> list[PlanPeriod]:
        """Which version of which plan held for an account when, over [start, end), without a gap: for invoices.

        One read for the account, one for each plan, one for all versions.
        """
        account = self.account(account_id)
        moments = [start, *sorted({since for _, since in account.changes if start < since < end}), end]
        spans = [(account.at(since)[0], since, until) for since, until in pairwise(moments)]
        plans = {plan_id: self.plan(plan_id) for plan_id in {plan_id for plan_id, _, _ in spans}}
        versions = self.versions(
            (plan_id, version) for plan_id, plan in plans.items() for version in _needed(plan, start, end)
        )
        found: list[PlanPeriod] = []
        for plan_id, since, until in spans:
            of_plan = tuple(version for (name, _), version in versions.items() if name == plan_id)
            found += stretches(of_plan, since, until)
        return found


def _change(tx: Writes, before: Plan, after: Plan) -> None:
    """The plan as it is now, but for how often accounts were put on it: that is counted beside."""
    timeline = orjson.dumps([(version, iso(since)) for version, since in after.timeline]).decode()
    new = not before.version  # built in, and never changed
    tx.update(
        PlanItem.key(before.plan_id),
        actions=[
            PlanItem.timeline.set(timeline),
            PlanItem.latest.set(after.latest),
            PlanItem.version.set(after.version),
            *([PlanItem.accounts.set(0)] if new else []),
        ],
        condition=PlanItem.pk.does_not_exist() if new else PlanItem.version == before.version,
    )


def _needed(plan: Plan, start: datetime, end: datetime) -> set[int]:
    """The versions that hold for some moment of [start, end)."""
    return {plan.version_at(start), *(version for version, since in plan.timeline if start < since < end)}


def _plan(item: PlanItem) -> Plan:
    timeline = tuple((int(version), parse_iso(since)) for version, since in orjson.loads(item.timeline))
    return Plan(item.sk, timeline, int(item.latest), int(item.accounts), int(item.version))
