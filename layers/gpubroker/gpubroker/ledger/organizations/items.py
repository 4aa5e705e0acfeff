"""Organisations as DynamoDB items.

<org id>#ORG              PROFILE            the organisation, its budget, and how many members and owners it has
<org id>#ORG              MEMBER#<user id>   a member's role and budget
<user id>#MEMBERSHIPS     <org id>           the same membership, to be found from the user's side
<user id>#ORGANIZATIONS   MADE               how many organisations a user has made that are not closed
"""

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.kernel.time import iso, parse_iso
from gpubroker.ledger.organizations.organization import Member, Organization, State
from gpubroker.ledger.organizations.roles import OrgRole
from gpubroker.ledger.personal import BudgetedItem
from gpubroker.storage.table import Item, Table

PROFILE = "PROFILE"
_MEMBER = "MEMBER#"


class _Ledger(Table):
    env = "LEDGER_TABLE"


class OrganizationItem(BudgetedItem):
    class Meta(_Ledger): ...

    name = UnicodeAttribute()
    state = UnicodeAttribute()
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    members = NumberAttribute()
    owners = NumberAttribute()

    @classmethod
    def at(cls, org_id: str) -> "OrganizationItem":
        return cls(pk=f"{org_id}#ORG", sk=PROFILE)

    @classmethod
    def of(cls, one: Organization) -> "OrganizationItem":
        item = cls.at(one.org_id)
        item.name, item.state, item.version = one.name, one.state.value, one.version
        item.created_at, item.created_by = iso(one.created_at), one.created_by
        item.members, item.owners = one.members, one.owners
        item.take_budget(one.budget)
        return item

    def value(self) -> Organization:
        return Organization(
            org_id=self.pk.removesuffix("#ORG"),
            name=self.name,
            state=State(self.state),
            created_at=parse_iso(self.created_at),
            created_by=self.created_by,
            members=int(self.members),
            owners=int(self.owners),
            budget=self.budget,
            version=int(self.version),
        )


class MemberItem(BudgetedItem):
    class Meta(_Ledger): ...

    role = UnicodeAttribute()
    added_at = UnicodeAttribute()
    added_by = UnicodeAttribute()

    @classmethod
    def at(cls, org_id: str, user_id: str) -> "MemberItem":
        return cls(pk=f"{org_id}#ORG", sk=_MEMBER + user_id)

    @classmethod
    def of(cls, one: Member) -> "MemberItem":
        item = cls.at(one.org_id, one.user_id)
        item.role, item.version = one.role.value, one.version
        item.added_at, item.added_by = iso(one.added_at), one.added_by
        item.take_budget(one.budget)
        return item

    def value(self) -> Member:
        return Member(
            org_id=self.pk.removesuffix("#ORG"),
            user_id=self.sk.removeprefix(_MEMBER),
            role=OrgRole(self.role),
            added_at=parse_iso(self.added_at),
            added_by=self.added_by,
            budget=self.budget,
            version=int(self.version),
        )


class MembershipItem(Item):
    class Meta(_Ledger): ...

    @classmethod
    def at(cls, user_id: str, org_id: str) -> "MembershipItem":
        return cls(pk=f"{user_id}#MEMBERSHIPS", sk=org_id)


class MadeItem(Item):
    class Meta(_Ledger): ...

    made = NumberAttribute(default=0)

    @classmethod
    def of(cls, user_id: str) -> "MadeItem":
        return cls(pk=f"{user_id}#ORGANIZATIONS", sk="MADE")
