"""Organisations as their members see them."""

from collections.abc import Mapping

from pydantic import Field

from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.ledger import budgets
from gpubroker.ledger.budgets import BudgetView, Spending
from gpubroker.ledger.organizations.organization import Member, Organization, State
from gpubroker.ledger.organizations.roles import OrgRole


class OrganizationView(View):
    """An organisation. Its account has the organisation's id."""

    org_id: str
    account_id: str
    name: str
    state: State
    created_at: str
    created_by: str
    members: int
    role: OrgRole = Field(description="the caller's own; administrators of the house count as owners")
    budget: BudgetView | None

    @classmethod
    def of(cls, one: Organization, role: OrgRole, month: str, spending: Mapping[str, Spending]) -> "OrganizationView":
        return cls(
            org_id=one.org_id,
            account_id=one.org_id,
            name=one.name,
            state=one.state,
            created_at=iso(one.created_at),
            created_by=one.created_by,
            members=one.members,
            role=role,
            budget=budgets.view(one.budget, budgets.of_organization(one.org_id), month, spending),
        )


class OrganizationPage(View):
    organizations: list[OrganizationView]
    next_cursor: str | None


class MemberView(View):
    org_id: str
    user_id: str
    role: OrgRole
    added_at: str
    added_by: str
    budget: BudgetView | None

    @classmethod
    def of(cls, one: Member, month: str, spending: Mapping[str, Spending]) -> "MemberView":
        key = budgets.of_member(one.org_id, one.user_id)
        return cls(
            org_id=one.org_id,
            user_id=one.user_id,
            role=one.role,
            added_at=iso(one.added_at),
            added_by=one.added_by,
            budget=budgets.view(one.budget, key, month, spending),
        )


class MemberPage(View):
    members: list[MemberView]
    next_cursor: str | None
