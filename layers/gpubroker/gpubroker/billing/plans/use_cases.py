"""What administrators may do with price plans, and what everybody may read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from gpubroker.billing import facts
from gpubroker.billing.accounts import Accounts, known, seen
from gpubroker.billing.once import once
from gpubroker.billing.plans.checks import refuse_two_prices
from gpubroker.billing.plans.items import PlanItem
from gpubroker.billing.plans.plan import STANDARD, PlanVersion
from gpubroker.billing.plans.requests import (
    AccountPlanRequest,
    EstimateRequest,
    PlanRequest,
    PriceRequest,
    VersionRequest,
)
from gpubroker.billing.plans.store import Plan, PlanInUse, PlanNotFound, Plans
from gpubroker.billing.plans.views import (
    AccountPlanView,
    EstimateView,
    PlanHistoryView,
    PlanPage,
    PlanView,
    RatedLineView,
    VersionView,
    until_of,
)
from gpubroker.billing.rating.lines import total
from gpubroker.billing.rating.prices import ResourcePrice
from gpubroker.billing.rating.rate import rate
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.money import usd
from gpubroker.kernel.time import Clock, iso

_SKEW = timedelta(minutes=1)  # of clocks: a caller's "now" is ours


class PlanDesk:
    def __init__(self, *, plans: Plans, accounts: Accounts, clock: Clock):
        self._plans, self._accounts, self._clock = plans, accounts, clock

    # ------------------------------------------------------------ reading

    def page(self, limit: int, after: str | None) -> tuple[PlanPage, str | None]:
        """One page and the plan id that the next begins after (None on the last)."""
        found, now = self._plans.page(limit + 1, after), self._clock()
        shown = found[:limit]
        versions = self._plans.versions((plan.plan_id, plan.version_at(now)) for plan in shown)
        views = [PlanView.of(plan, versions[plan.plan_id, plan.version_at(now)], now) for plan in shown]
        return PlanPage(plans=views, next_cursor=None), shown[-1].plan_id if len(found) > limit else None

    def history(self, plan_id: str) -> PlanHistoryView:
        """A plan and all its versions. Raises PlanNotFound."""
        plan, now = self._plans.plan(plan_id), self._clock()
        versions = self._plans.versions((plan_id, version) for version, _ in plan.timeline)
        ordered = sorted(versions.values(), key=lambda one: (one.effective_from, one.version))
        current = plan.version_at(now)
        return PlanHistoryView(
            plan_id=plan_id,
            name=versions[plan_id, current].name,
            current_version=current,
            versions=[VersionView.of(one, until_of(plan, one)) for one in ordered],
        )

    def plan_of(self, caller: Caller, account_id: str) -> AccountPlanView:
        """Which plan an account is on. Raises AccountNotFound."""
        seen(self._accounts, caller, account_id)
        return AccountPlanView.of(self._plans.account(account_id), self._clock())

    def estimate(self, plan_id: str, wanted: EstimateRequest) -> EstimateView:
        """What usage would cost on a plan as it stands now; minimum spends as if the month were over.

        Raises PlanNotFound."""
        current = self._current(self._plans.plan(plan_id))
        lines: list[RatedLineView] = []
        together = 0
        for resource, quantity in wanted.usage.items():
            price = next(price for price, scopes in current.prices_of(resource) if wanted.instances in scopes)
            rated = rate(price, quantity, wanted.already_used.get(resource, 0))
            lines += [RatedLineView.of(price, line) for line in rated]
            together += total(rated)
        return EstimateView(
            plan_id=plan_id,
            version=current.version,
            lines=lines,
            total=usd(together),
            total_micros=together,
        )

    # ------------------------------------------------------------ changing

    def create(self, caller: Caller, wanted: PlanRequest, idempotency: Idempotency | None) -> PlanView:
        """A new plan. Raises Invalid, PlanExists."""
        now = self._clock()
        plan = self._version(caller, wanted.plan_id, 1, wanted.name, wanted, now)
        view = PlanView.of(Plan(wanted.plan_id, ((1, plan.effective_from),), 1), plan, now)
        told = facts.intervention(
            "price-plan-created",
            plan.plan_id,
            by=caller.subject,
            reason=wanted.reason,
            after=view.current.model_dump(mode="json", by_alias=True),
            now=now,
        )

        def add() -> PlanView:
            self._plans.create(plan, told, idempotency=idempotency, answer=_json(view))
            return view

        return once(PlanView, PlanItem, idempotency, add)

    def add_version(
        self, caller: Caller, plan_id: str, wanted: VersionRequest, idempotency: Idempotency | None
    ) -> VersionView:
        """The next version of a plan, in force from a moment that is not past. Raises Invalid, PlanNotFound."""
        now = self._clock()

        def add() -> VersionView:
            before = self._plans.plan(plan_id)
            current = self._current(before)
            name = wanted.name or current.name
            plan = self._version(caller, plan_id, before.latest + 1, name, wanted, now)
            view = VersionView.of(plan, until_of(before, plan))
            told = facts.intervention(
                "price-plan-changed",
                plan_id,
                by=caller.subject,
                reason=wanted.reason,
                before=_shown(current, until_of(before, current)),
                after=_json(view),
                now=now,
            )
            self._plans.add_version(before, plan, told, idempotency=idempotency, answer=_json(view))
            return view

        return once(VersionView, PlanItem, idempotency, add)

    def remove_version(self, caller: Caller, plan_id: str, version: int, reason: str | None) -> None:
        """Take back a version that has not begun. Raises PlanNotFound, PlanInUse."""
        before, now = self._plans.plan(plan_id), self._clock()
        since = dict(before.timeline).get(version)
        if since is None:
            raise PlanNotFound.of(plan_id, version)
        if since <= now or len(before.timeline) == 1:
            raise PlanInUse(f"Version {version} of {plan_id} has begun, or is the only one; it is never changed.")
        gone = self._plans.versions([(plan_id, version)])[plan_id, version]
        told = facts.intervention(
            "price-plan-version-removed",
            plan_id,
            by=caller.subject,
            reason=reason,
            before=_shown(gone, until_of(before, gone)),
            now=now,
        )
        self._plans.remove_version(before, version, told)

    def remove(self, caller: Caller, plan_id: str, reason: str | None) -> None:
        """Forget a plan that no account was ever put on. Raises PlanNotFound, PlanInUse."""
        before, now = self._plans.plan(plan_id), self._clock()
        if plan_id == STANDARD or before.accounts:
            raise PlanInUse(f"Accounts are on {plan_id}, were on it or are to be; it stays.")
        current = self._current(before)
        told = facts.intervention(
            "price-plan-removed",
            plan_id,
            by=caller.subject,
            reason=reason,
            before=_shown(current, until_of(before, current)),
            now=now,
        )
        self._plans.remove(before, told)

    def put_on(
        self, caller: Caller, account_id: str, wanted: AccountPlanRequest, idempotency: Idempotency | None
    ) -> AccountPlanView:
        """Put an account on a plan from a moment on. Raises AccountNotFound, Invalid, PlanNotFound."""
        known(self._accounts, account_id)
        now = self._clock()
        since = _moment(wanted.effective_from, now)

        def put() -> AccountPlanView:
            plan = self._plans.plan(wanted.plan_id)
            if min(begins for _, begins in plan.timeline) > since:
                raise Invalid.of("effective_from", f"is before the first version of {wanted.plan_id} begins")
            before = self._plans.account(account_id)
            after = before.put_on(wanted.plan_id, since)
            view = AccountPlanView.of(after, now)
            told = facts.intervention(
                "account-plan-changed",
                account_id,
                by=caller.subject,
                reason=wanted.reason,
                before=_json(AccountPlanView.of(before, now)),
                after=_json(view),
                now=now,
            )
            self._plans.put_on(before, after, plan, told, idempotency=idempotency, answer=_json(view))
            return view

        return once(AccountPlanView, PlanItem, idempotency, put)

    # ------------------------------------------------------------ helpers

    def _current(self, plan: Plan) -> PlanVersion:
        key = (plan.plan_id, plan.version_at(self._clock()))
        return self._plans.versions([key])[key]

    def _version(
        self,
        caller: Caller,
        plan_id: str,
        version: int,
        name: str,
        wanted: PlanRequest | VersionRequest,
        now: datetime,
    ) -> PlanVersion:
        return PlanVersion(
            plan_id=plan_id,
            version=version,
            name=name,
            effective_from=_moment(wanted.effective_from, now),
            prices=_prices(wanted.prices),
            monthly_fee=wanted.monthly_fee_micros,
            proration=wanted.proration,
            description=wanted.description,
            created_at=now,
            created_by=caller.subject,
        )


def _prices(asked: Sequence[PriceRequest]) -> tuple[ResourcePrice, ...]:
    prices = tuple(price.price(place) for place, price in enumerate(asked))
    refuse_two_prices(prices)
    return prices


def _moment(asked: datetime | None, now: datetime) -> datetime:
    """A moment of now or later, in whole milliseconds as it is told everywhere. Raises Invalid."""
    moment = (asked or now).astimezone(UTC)
    if moment < now - _SKEW:
        raise Invalid.of("effective_from", f"lies in the past: it is {iso(now)}")
    moment = max(moment, now)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _json(view: BaseModel) -> dict[str, object]:
    return view.model_dump(mode="json", by_alias=True)


def _shown(plan: PlanVersion, until: datetime | None) -> dict[str, object]:
    return _json(VersionView.of(plan, until))
