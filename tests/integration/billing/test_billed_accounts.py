"""Whose bills one may look at, by the organisations of the ledger and the users of identity (434)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.composition import accounts as ledger
from gpubroker.composition import pricing as composition
from gpubroker.kernel.caller import Caller, Role
from gpubroker.ledger.organizations.organization import Member, Organization, State
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.organizations.roles import OrgRole

NOW = datetime(2026, 11, 10, tzinfo=UTC)
ORG = "org_01KSCN0000000000000000000A"


def caller(user_id: str) -> Caller:
    return Caller(Role.USER, user_id, user_id)


@pytest.fixture(autouse=True)
def _organization(make_table: Callable[[str], Any]) -> None:
    make_table("ledger")
    owner = Member(ORG, "usr_owner", OrgRole.OWNER, NOW, "usr_owner")
    one = Organization(ORG, "Team", State.ACTIVE, NOW, "usr_owner", members=1, owners=1)
    Organizations().create(one, owner, lambda tx: None, idempotency=None, answer={})


def test_members_see_the_bills_of_their_organisation_and_nobody_else() -> None:
    seen = composition.billed_accounts()
    assert seen.may_see(caller("usr_owner"), ORG)
    assert not seen.may_see(caller("usr_other"), ORG)
    assert seen.may_see(caller("usr_other"), "usr_other")
    assert not seen.may_see(caller("usr_other"), "usr_owner")


def test_which_accounts_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Users:
        def exists(self, user_id: str) -> bool:
            return user_id == "usr_owner"

    monkeypatch.setattr(ledger, "users", Users)
    known = composition.billed_accounts()
    assert [known.exists(one) for one in (ORG, "org_none", "usr_owner", "usr_none", "somebody")] == [
        True,
        False,
        True,
        False,
        False,
    ]
