"""What each role of an organisation may do with its money and its members."""

from enum import StrEnum


class OrgRole(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"
    VIEWER = "viewer"


class Right(StrEnum):
    """see: the account, its balance and activity, the members. spend: rent at the organisation's cost.
    fund: deposits, withdrawals and budgets. manage: the name and the members. own: owners, and the end of it all."""

    SEE = "see"
    SPEND = "spend"
    FUND = "fund"
    MANAGE = "manage"
    OWN = "own"


RIGHTS: dict[OrgRole, frozenset[Right]] = {
    OrgRole.OWNER: frozenset(Right),
    OrgRole.ADMIN: frozenset({Right.SEE, Right.SPEND, Right.FUND, Right.MANAGE}),
    OrgRole.BILLING: frozenset({Right.SEE, Right.FUND}),
    OrgRole.MEMBER: frozenset({Right.SEE, Right.SPEND}),
    OrgRole.VIEWER: frozenset({Right.SEE}),
}
