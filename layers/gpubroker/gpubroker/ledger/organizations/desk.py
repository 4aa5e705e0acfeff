"""What callers may do with organisations. Who is no member sees none: 404; who is one without the right: 403."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Forbidden, Invalid, Problem
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import Clock
from gpubroker.ledger import budgets, facts
from gpubroker.ledger.accounts import Kind
from gpubroker.ledger.budgets import Budget, Spending, month_of
from gpubroker.ledger.desk.register import Register
from gpubroker.ledger.organizations.items import OrganizationItem
from gpubroker.ledger.organizations.organization import (
    Member,
    Organization,
    OrganizationNotFound,
    State,
)
from gpubroker.ledger.organizations.repository import Also, Organizations
from gpubroker.ledger.organizations.requests import (
    MemberChange,
    MemberRequest,
    OrganizationChange,
    OrganizationRequest,
)
from gpubroker.ledger.organizations.roles import OrgRole, Right
from gpubroker.ledger.organizations.views import MemberPage, MemberView, OrganizationPage, OrganizationView
from gpubroker.ledger.ports import Users
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import Writes

SpendingOf = Callable[[list[str], str], Mapping[str, Spending]]
"""What counts against budgets in a month, by their keys."""


class OrganizationDesk:
    def __init__(
        self,
        *,
        organizations: Organizations,
        register: Register,
        spending: SpendingOf,
        users: Users,
        clock: Clock,
    ):
        self._organizations, self._register, self._spending = organizations, register, spending
        self._users, self._clock = users, clock

    # ------------------------------------------------------------ organisations

    def create(self, caller: Caller, wanted: OrganizationRequest, idempotency: Idempotency | None) -> OrganizationView:
        """Make an organisation with its account; the caller owns it. Raises TooManyOrganizations."""
        now = self._clock()
        one = Organization(
            org_id=new_id("org", now_ms=lambda: int(now.timestamp() * 1000)),
            name=wanted.name,
            state=State.ACTIVE,
            created_at=now,
            created_by=caller.tenant,
            members=1,
            owners=1,
            budget=wanted.budget.budget() if wanted.budget else None,
        )
        owner = Member(one.org_id, caller.tenant, OrgRole.OWNER, added_at=now, added_by=caller.subject)
        view = OrganizationView.of(one, OrgRole.OWNER, month_of(now), {})
        opening = self._register.opening(one.org_id, Kind.ORGANIZATION, now)

        def also(tx: Writes) -> None:
            opening(tx)
            _tell(one.org_id, "created", caller, now, name=one.name)(tx)

        try:
            self._organizations.create(one, owner, also, idempotency=idempotency, answer=view.model_dump(mode="json"))
        except Problem as problem:
            return OrganizationView.model_validate(_replayed(idempotency, problem))
        return view

    def page_of(self, caller: Caller, limit: int, before: str | None) -> tuple[OrganizationPage, str | None]:
        """One page of the caller's organisations, and the id that the next begins before (None on the last)."""
        found, now = self._organizations.of_user(caller.tenant, limit + 1, before=before), self._clock()
        page = found[:limit]
        spending = self._spent([budgets.of_organization(one.org_id) for one, _ in page if one.budget], now)
        views = [OrganizationView.of(one, place.role, month_of(now), spending) for one, place in page]
        position = page[-1][0].org_id if len(found) > limit else None
        return OrganizationPage(organizations=views, next_cursor=None), position

    def organization_of(self, caller: Caller, org_id: str) -> OrganizationView:
        one, place = self._seen(caller, org_id, Right.SEE)
        return self._view(one, place.role)

    def change(self, caller: Caller, org_id: str, wanted: OrganizationChange) -> OrganizationView:
        """Name (owners, admins) or budget (those and billing) anew. Raises StaleVersion."""
        named = wanted.model_fields_set
        one, place = self._seen(caller, org_id, Right.MANAGE if "name" in named else Right.FUND)
        now, after = self._clock(), one
        if wanted.name is not None:
            after = replace(after, name=wanted.name)
        if "budget" in named:
            after = replace(after, budget=wanted.budget.budget() if wanted.budget else None)
        change = "renamed" if "name" in named else "budget"
        told = _tell(org_id, change, caller, now, name=after.name, budget_micros=_limit(after.budget))
        return self._view(self._organizations.save(one, after, told), place.role)

    def close(self, caller: Caller, org_id: str) -> OrganizationView:
        """The end, for an owner, once its account is empty. Raises AccountNotEmpty."""
        one, place = self._seen(caller, org_id, Right.OWN, closed_too=True)
        if one.state is State.CLOSED:
            return self._view(one, place.role)
        now = self._clock()
        closing = self._register.closing(org_id)

        def also(tx: Writes) -> None:
            closing(tx)
            _tell(org_id, "closed", caller, now)(tx)

        return self._view(self._organizations.close(one, also), place.role)

    # ------------------------------------------------------------ members

    def members_of(self, caller: Caller, org_id: str, limit: int, after: str | None) -> tuple[MemberPage, str | None]:
        self._seen(caller, org_id, Right.SEE, closed_too=True)
        found, now = self._organizations.members(org_id, limit + 1, after=after), self._clock()
        page = found[:limit]
        spending = self._spent([budgets.of_member(org_id, one.user_id) for one in page if one.budget], now)
        views = [MemberView.of(one, month_of(now), spending) for one in page]
        return MemberPage(members=views, next_cursor=None), page[-1].user_id if len(found) > limit else None

    def add(self, caller: Caller, org_id: str, wanted: MemberRequest, idempotency: Idempotency | None) -> MemberView:
        """Take a user in. Only owners appoint owners. Raises AlreadyMember, TooManyMembers, Invalid."""
        self._seen(caller, org_id, _to_appoint(wanted.role))
        if not self._users.exists(wanted.user_id):
            raise Invalid.of("user_id", "there is no such user")
        now = self._clock()
        budget = wanted.budget.budget() if wanted.budget else None
        member = Member(org_id, wanted.user_id, wanted.role, added_at=now, added_by=caller.subject, budget=budget)
        view = MemberView.of(member, month_of(now), {})
        told = _tell(org_id, "member-added", caller, now, user_id=member.user_id, role=member.role.value)
        try:
            self._organizations.add(member, told, idempotency=idempotency, answer=view.model_dump(mode="json"))
        except Problem as problem:
            return MemberView.model_validate(_replayed(idempotency, problem))
        return view

    def change_member(self, caller: Caller, org_id: str, user_id: str, wanted: MemberChange) -> MemberView:
        """Role (owners, admins) or budget (those and billing) anew. Raises MemberNotFound, LastOwner."""
        named = wanted.model_fields_set
        _, place = self._seen(caller, org_id, Right.MANAGE if "role" in named else Right.FUND)
        before, now = self._organizations.member(org_id, user_id), self._clock()
        role = wanted.role or before.role
        if role is not before.role and OrgRole.OWNER in (role, before.role):
            _require(place, Right.OWN)
        budget = before.budget
        if "budget" in named:
            budget = wanted.budget.budget() if wanted.budget else None
        told = _tell(
            org_id, "member-changed", caller, now, user_id=user_id, role=role.value, budget_micros=_limit(budget)
        )
        return self._member_view(self._organizations.change(before, role, budget, told))

    def remove(self, caller: Caller, org_id: str, user_id: str) -> None:
        """Out of the organisation; everybody may leave by themselves. Raises MemberNotFound, LastOwner."""
        leaving = user_id == caller.tenant
        _, place = self._seen(caller, org_id, Right.SEE if leaving else Right.MANAGE)
        member = self._organizations.member(org_id, user_id)
        if member.role is OrgRole.OWNER and not leaving:
            _require(place, Right.OWN)
        self._organizations.remove(
            member, _tell(org_id, "member-removed", caller, self._clock(), user_id=user_id, role=member.role.value)
        )

    # ------------------------------------------------------------ within

    def _seen(
        self, caller: Caller, org_id: str, right: Right, *, closed_too: bool = False
    ) -> tuple[Organization, Member]:
        """The organisation and the caller's place in it. Administrators are let in as owners.

        Raises OrganizationNotFound (no member, too), Forbidden. What is closed can be seen and not changed.
        """
        if caller.role is Role.ADMIN:
            one = self._organizations.of(org_id)
            place = Member(org_id, caller.tenant, OrgRole.OWNER, added_at=one.created_at, added_by=caller.subject)
        else:
            one, place = self._organizations.seen_by(org_id, caller.tenant)
        _require(place, right)
        if one.state is State.CLOSED and right is not Right.SEE and not closed_too:
            raise OrganizationNotFound(f"The organisation {org_id} is closed.")
        return one, place

    def _spent(self, keys: list[str], now: datetime) -> Mapping[str, Spending]:
        return self._spending(keys, month_of(now)) if keys else {}

    def _view(self, one: Organization, role: OrgRole) -> OrganizationView:
        now = self._clock()
        keys = [budgets.of_organization(one.org_id)] if one.budget else []
        return OrganizationView.of(one, role, month_of(now), self._spent(keys, now))

    def _member_view(self, one: Member) -> MemberView:
        now = self._clock()
        keys = [budgets.of_member(one.org_id, one.user_id)] if one.budget else []
        return MemberView.of(one, month_of(now), self._spent(keys, now))


def _require(place: Member, right: Right) -> None:
    if not place.may(right):
        raise Forbidden(f"A {place.role} of {place.org_id} may not do this.")


def _to_appoint(role: OrgRole) -> Right:
    return Right.OWN if role is OrgRole.OWNER else Right.MANAGE


def _limit(budget: Budget | None) -> int | None:
    return budget.limit if budget else None


def _tell(org_id: str, change: str, caller: Caller, now: datetime, **what: object) -> Also:
    """The fact, for the transaction of what it tells of."""
    event = facts.organization_changed(org_id, change, by=caller.subject, now=now, **what)
    return lambda tx: tx.put(outbox_item(OrganizationItem, event, source=facts.SOURCE))


def _replayed(idempotency: Idempotency | None, problem: Problem) -> dict[str, object]:
    """The stored answer, where this very request took effect before; else the problem it met now."""
    if idempotency is None:
        raise problem
    try:
        return stored.replay(OrganizationItem, idempotency)
    except stored.KeyReused:
        raise
    except Problem:
        raise problem from None  # the key was never used: what it met now is the answer
