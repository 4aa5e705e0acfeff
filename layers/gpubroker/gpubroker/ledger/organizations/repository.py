"""Where organisations are kept. A membership stands on both sides, and the counts of members and owners move with it,
in one transaction."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.organizations.items import (
    MadeItem,
    MemberItem,
    MembershipItem,
    OrganizationItem,
)
from gpubroker.ledger.organizations.organization import (
    MOST_MADE,
    MOST_MEMBERS,
    AlreadyMember,
    LastOwner,
    Member,
    MemberNotFound,
    Organization,
    OrganizationNotFound,
    State,
    TooManyMembers,
    TooManyOrganizations,
)
from gpubroker.ledger.organizations.roles import OrgRole
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import Lost, Writes, transaction

_MEMBER = "MEMBER#"
Also = Callable[[Writes], None]
"""What else belongs into the transaction: the account, facts."""


class Organizations:
    def create(
        self,
        one: Organization,
        owner: Member,
        also: Also,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Write an organisation with its first owner. Raises TooManyOrganizations, AlreadyDone."""
        with transaction(OrganizationItem) as tx:
            stored.remember(tx, OrganizationItem, idempotency, answer)
            tx.put(OrganizationItem.of(one), condition=OrganizationItem.pk.does_not_exist())
            tx.put(MemberItem.of(owner), condition=MemberItem.pk.does_not_exist())
            tx.put(MembershipItem.at(owner.user_id, one.org_id))
            tx.update(
                MadeItem.of(one.created_by),
                actions=[MadeItem.made.add(1)],
                condition=MadeItem.made.does_not_exist() | (MadeItem.made < MOST_MADE),
                lost=TooManyOrganizations(f"A user may have made {MOST_MADE} organisations that are not closed."),
            )
            also(tx)

    def of(self, org_id: str) -> Organization:
        """One strongly consistent read. Raises OrganizationNotFound."""
        key = OrganizationItem.at(org_id)
        try:
            return OrganizationItem.get(key.pk, key.sk, consistent_read=True).value()
        except DoesNotExist:
            raise OrganizationNotFound(f"There is no organisation {org_id}.") from None

    def budget_of(self, org_id: str) -> Budget | None:
        """The budget of all of an organisation; None where there is none of either."""
        try:
            return self.of(org_id).budget
        except OrganizationNotFound:
            return None

    def seen_by(self, org_id: str, user_id: str) -> tuple[Organization, Member]:
        """The organisation and the user's place in it. Raises OrganizationNotFound, for who is no member too."""
        place = self.place_of(org_id, user_id)
        if place is None:
            raise OrganizationNotFound(f"There is no organisation {org_id}.")
        return self.of(org_id), place

    def place_of(self, org_id: str, user_id: str) -> Member | None:
        """A user's place in an organisation: one strongly consistent read."""
        key = MemberItem.at(org_id, user_id)
        try:
            return MemberItem.get(key.pk, key.sk, consistent_read=True).value()
        except DoesNotExist:
            return None

    def member(self, org_id: str, user_id: str) -> Member:
        """Raises MemberNotFound."""
        found = self.place_of(org_id, user_id)
        if found is None:
            raise MemberNotFound(f"{user_id} is no member of {org_id}.")
        return found

    def members(self, org_id: str, limit: int, *, after: str | None = None) -> list[Member]:
        """Members by user id, from after one on."""
        key = MemberItem.at(org_id, "")
        low = key.sk if after is None else f"{_MEMBER}{after}\x00"
        condition = MemberItem.sk.between(low, f"{_MEMBER}~")
        found = MemberItem.query(key.pk, condition, limit=limit, page_size=limit, consistent_read=True)
        return [item.value() for item in found]

    def of_user(self, user_id: str, limit: int, *, before: str | None = None) -> list[tuple[Organization, Member]]:
        """Organisations of a user, the newest first, each with the user's place in it."""
        key = MembershipItem.at(user_id, "")
        condition = MembershipItem.sk < before if before else None
        found = MembershipItem.query(
            key.pk, condition, scan_index_forward=False, limit=limit, page_size=limit, consistent_read=True
        )
        ids = [item.sk for item in found]
        profiles = {item.pk: item.value() for item in OrganizationItem.batch_get(_keys(map(OrganizationItem.at, ids)))}
        places = {item.pk: item.value() for item in MemberItem.batch_get(_keys(MemberItem.at(i, user_id) for i in ids))}
        pks = [f"{org_id}#ORG" for org_id in ids]
        return [(profiles[pk], places[pk]) for pk in pks if pk in profiles and pk in places]

    # ------------------------------------------------------------ changes

    def save(self, before: Organization, after: Organization, also: Also) -> Organization:
        """Name or budget anew. Raises StaleVersion when another writer was first."""
        after = replace(after, version=before.version + 1)
        with transaction(OrganizationItem) as tx:
            tx.put(OrganizationItem.of(after), condition=_unchanged(before))
            also(tx)
        return after

    def close(self, before: Organization, also: Also) -> Organization:
        """The end: members stay on record, nobody can spend. Raises StaleVersion."""
        after = replace(before, state=State.CLOSED, version=before.version + 1)
        with transaction(OrganizationItem) as tx:
            tx.put(OrganizationItem.of(after), condition=_unchanged(before))
            tx.update(MadeItem.of(before.created_by), actions=[MadeItem.made.add(-1)])
            also(tx)
        return after

    def add(self, member: Member, also: Also, *, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
        """Raises AlreadyMember, TooManyMembers (OrganizationNotFound where it is closed), AlreadyDone."""
        with transaction(MemberItem) as tx:
            stored.remember(tx, MemberItem, idempotency, answer)
            tx.put(MemberItem.of(member), condition=MemberItem.pk.does_not_exist(), lost=AlreadyMember)
            tx.put(MembershipItem.at(member.user_id, member.org_id))
            _count(
                tx,
                member.org_id,
                members=1,
                owners=int(member.role is OrgRole.OWNER),
                condition=_active() & (OrganizationItem.members < MOST_MEMBERS),
                lost=TooManyMembers(
                    f"An organisation has at most {MOST_MEMBERS} members, and none to add once closed."
                ),
            )
            also(tx)

    def change(self, before: Member, role: OrgRole, budget: Budget | None, also: Also) -> Member:
        """Role or budget anew. Raises LastOwner, StaleVersion."""
        after = replace(before, role=role, budget=budget, version=before.version + 1)
        owners = int(role is OrgRole.OWNER) - int(before.role is OrgRole.OWNER)
        with transaction(MemberItem) as tx:
            tx.put(MemberItem.of(after), condition=MemberItem.version == before.version)
            if owners:
                _count(tx, before.org_id, owners=owners, condition=_keeps_an_owner(owners), lost=LastOwner)
            also(tx)
        return after

    def remove(self, member: Member, also: Also) -> None:
        """Raises LastOwner, StaleVersion."""
        owners = -int(member.role is OrgRole.OWNER)
        with transaction(MemberItem) as tx:
            tx.delete(MemberItem.at(member.org_id, member.user_id), condition=MemberItem.version == member.version)
            tx.delete(MembershipItem.at(member.user_id, member.org_id))
            _count(tx, member.org_id, members=-1, owners=owners, condition=_keeps_an_owner(owners), lost=LastOwner)
            also(tx)


def _keys(items: Iterable[Any]) -> list[tuple[str, str]]:
    return [(item.pk, item.sk) for item in items]


def _active() -> Condition:
    active: Condition = OrganizationItem.state == State.ACTIVE.value
    return active


def _unchanged(before: Organization) -> Condition:
    same: Condition = (OrganizationItem.version == before.version) & _active()
    return same


def _keeps_an_owner(owners: int) -> Condition:
    """Of an organisation that loses one owner or none, or gets one: somebody else owns it too."""
    return _active() & (OrganizationItem.owners > 1) if owners < 0 else _active()


def _count(tx: Writes, org_id: str, *, members: int = 0, owners: int = 0, condition: Condition, lost: Lost) -> None:
    """Move the counts with what is written. The version moves too: a rename that was read before would undo this."""
    tx.update(
        OrganizationItem.at(org_id),
        actions=[
            OrganizationItem.members.add(members),
            OrganizationItem.owners.add(owners),
            OrganizationItem.version.add(1),
        ],
        condition=condition,
        lost=lost,
    )
