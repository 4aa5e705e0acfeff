"""Organisations, their members, and the budgets of both."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.organizations.roles import RIGHTS, OrgRole, Right

MOST_MEMBERS = 500
MOST_MADE = 20
"""Organisations that one user may have made and not closed."""


class OrganizationNotFound(NotFound):
    code = "organization-not-found"
    title = "There is no such organisation"


class MemberNotFound(NotFound):
    code = "member-not-found"
    title = "There is no such member"


class AlreadyMember(Conflict):
    code = "already-member"
    title = "This user is a member already"


class LastOwner(Conflict):
    """An organisation always has an owner: appoint another one first."""

    code = "last-owner"
    title = "An organisation keeps at least one owner"


class TooManyMembers(Conflict):
    code = "too-many-members"
    title = "The organisation has as many members as it may have"


class TooManyOrganizations(Conflict):
    code = "too-many-organizations"
    title = "This user has made as many organisations as one may"


class State(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Organization:
    """owners and members count what the items of members say, kept so by the transactions that write those."""

    org_id: str
    name: str
    state: State
    created_at: datetime
    created_by: str
    members: int
    owners: int
    budget: Budget | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    org_id: str
    user_id: str
    role: OrgRole
    added_at: datetime
    added_by: str
    budget: Budget | None = None
    version: int = 1

    def may(self, right: Right) -> bool:
        return right in RIGHTS[self.role]
