"""docs/accounts.md says what the code does."""

from pathlib import Path

import pytest

from gpubroker.ledger.desk.activity import MOST_LOOKED_AT
from gpubroker.ledger.facts import EVENT_TYPES
from gpubroker.ledger.funding.deposit import DepositState
from gpubroker.ledger.funding.withdrawal import WithdrawalState
from gpubroker.ledger.organizations.organization import MOST_MADE, MOST_MEMBERS
from gpubroker.ledger.organizations.roles import RIGHTS, OrgRole, Right

PAGE = (Path(__file__).parents[3] / "docs" / "accounts.md").read_text(encoding="utf-8")
LINES = {
    Right.FUND: "| deposits, withdrawals | `accounts:write` | {} |",
    Right.SPEND: "| rent at its cost | the user, an agent of theirs | {} |",
    Right.MANAGE: "| name, members | | {} |",
    Right.OWN: "| owners, closing | | {} |",
}


@pytest.mark.parametrize("right", LINES)
def test_the_roles_in_the_page_are_those_of_the_code(right: Right) -> None:
    roles = ", ".join(role for role in OrgRole if right in RIGHTS[role])
    assert LINES[right].format(roles) in PAGE


def test_every_role_sees() -> None:
    assert all(Right.SEE in rights for rights in RIGHTS.values())


def test_the_page_names_every_state_and_the_facts() -> None:
    for state in (*DepositState, *WithdrawalState):
        assert f" {state.value}" in PAGE
    for event in set(EVENT_TYPES) - {"DepositChanged", "WithdrawalChanged", "OrganizationChanged"}:
        assert event in PAGE


def test_the_numbers_in_the_page_are_those_of_the_code() -> None:
    assert f"not closed: {MOST_MADE}; members of one: {MOST_MEMBERS}" in PAGE
    assert f"{MOST_LOOKED_AT:,} entries" in PAGE
