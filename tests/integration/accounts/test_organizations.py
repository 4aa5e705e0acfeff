"""Organisations: members, roles, budgets that the hold enforces, and who pays. # 434, 435"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gpubroker.composition import accounts as composition
from gpubroker.kernel.errors import Forbidden
from gpubroker.ledger import payers
from gpubroker.ledger.book import NewHold
from gpubroker.ledger.payers import Payer
from gpubroker.ledger.problems import AccountClosed, AccountNotFound, BudgetExceeded, InsufficientFunds
from tests.integration.accounts.conftest import ADA, BOB, CALLERS, CYD, EVE

NOBODY = "usr_01J0000000000000000000000Z"


def join(api, org_id, user_id, role, **more):
    return api.made("add_member", "ada", org_id, body={"user_id": user_id, "role": role, **more})


def payer_of(api, who, account_id=None) -> Payer:
    return composition.payers().payer_of(CALLERS[who], account_id, now=api.clock())


def hold(api, who, account_id, amount, hold_id):
    payer = payer_of(api, who, account_id)
    return api.book.hold(NewHold(hold_id, payer.account_id, amount * 1_000_000, budget=payer.budgets))


def test_an_organisation_is_made_with_an_account_and_an_owner(api):
    made = api("create_organization", "ada", body={"name": " Numbers Ltd ", "budget": {"limit": 100}})
    assert made.status == 201
    org_id = made.json["org_id"]
    assert made.headers["location"] == f"/api/v1/organizations/{org_id}"
    assert (made.json["name"], made.json["role"], made.json["account_id"]) == ("Numbers Ltd", "owner", org_id)
    assert api.made("get_account", "ada", org_id)["kind"] == "organization"
    assert api.balance(org_id) == (0, 0, 0)
    assert [one["org_id"] for one in api.made("list_organizations", "ada")["organizations"]] == [org_id]
    assert [one["what"] for one in (event["data"] for event in api.told("OrganizationChanged"))] == [
        {"name": "Numbers Ltd"}
    ]


def test_the_same_key_makes_one_organisation(api):
    first = api.made("create_organization", "ada", body={"name": "A"}, key="k")
    assert api.made("create_organization", "ada", body={"name": "A"}, key="k") == first
    assert api("create_organization", "ada", body={"name": "B"}, key="k").status == 422
    assert len(api.made("list_organizations", "ada")["organizations"]) == 1


def test_who_is_no_member_sees_no_organisation(api):
    org_id = api.organization()
    for handler, body in (
        ("get_organization", None),
        ("list_members", None),
        ("change_organization", {"name": "Mine"}),
        ("close_organization", None),
        ("add_member", {"user_id": EVE}),
        ("get_account", None),
        ("get_balance", None),
        ("list_activity", None),
        ("create_deposit", {"amount": 1}),
        ("create_withdrawal", {"amount": 1, "destination": "me"}),
    ):
        assert api(handler, "eve", org_id, body=body).status == 404, handler
    assert api("get_organization", "service", org_id).status == 403
    assert api.made("get_organization", "admin", org_id)["org_id"] == org_id


RIGHTS = {
    "owner": {"see", "spend", "fund", "manage", "own"},
    "admin": {"see", "spend", "fund", "manage"},
    "billing": {"see", "fund"},
    "member": {"see", "spend"},
    "viewer": {"see"},
}


@pytest.mark.parametrize(("role", "rights"), RIGHTS.items())
def test_a_role_may_what_it_may(api, role, rights):
    org_id = api.organization()
    join(api, org_id, BOB, role)
    join(api, org_id, CYD, "member")
    api.credit(org_id, 10)

    def allowed(handler, *path, body=None) -> bool:
        status = api(handler, "bob", *path, body=body).status
        assert status in (200, 201, 403), status
        return status != 403

    assert allowed("get_balance", org_id)
    assert allowed("list_members", org_id)
    assert allowed("create_deposit", org_id, body={"amount": 1}) is ("fund" in rights)
    assert allowed("create_withdrawal", org_id, body={"amount": 1, "destination": "x"}) is ("fund" in rights)
    assert allowed("change_organization", org_id, body={"budget": {"limit": 5}}) is ("fund" in rights)
    assert allowed("change_member", org_id, CYD, body={"budget": {"limit": 5}}) is ("fund" in rights)
    assert allowed("change_organization", org_id, body={"name": "Else"}) is ("manage" in rights)
    assert allowed("change_member", org_id, CYD, body={"role": "viewer"}) is ("manage" in rights)
    assert allowed("add_member", org_id, body={"user_id": EVE, "role": "viewer"}) is ("manage" in rights)
    assert allowed("change_member", org_id, CYD, body={"role": "owner"}) is ("own" in rights)
    try:
        spends = payer_of(api, "bob", org_id).account_id == org_id
    except Forbidden:
        spends = False
    assert spends is ("spend" in rights)


def test_an_admin_of_an_organisation_makes_and_unmakes_no_owner(api):
    org_id = api.organization()
    join(api, org_id, BOB, "admin")
    for handler, path, body in (
        ("add_member", [org_id], {"user_id": EVE, "role": "owner"}),
        ("change_member", [org_id, BOB], {"role": "owner"}),
        ("change_member", [org_id, ADA], {"role": "viewer"}),
        ("remove_member", [org_id, ADA], None),
        ("close_organization", [org_id], None),
    ):
        assert api(handler, "bob", *path, body=body).status == 403, handler


def test_a_user_may_be_in_several_and_leaves_by_themselves(api):
    first, second = api.organization(), api.organization("cyd")
    join(api, first, BOB, "member")
    api.made("add_member", "cyd", second, body={"user_id": BOB, "role": "viewer"})
    roles = {one["org_id"]: one["role"] for one in api.made("list_organizations", "bob")["organizations"]}
    assert roles == {first: "member", second: "viewer"}
    assert api("remove_member", "bob", first, BOB).status == 204
    assert [one["org_id"] for one in api.made("list_organizations", "bob")["organizations"]] == [second]
    assert api("get_balance", "bob", first).status == 404
    assert api.made("get_organization", "ada", first)["members"] == 1


def test_an_organisation_keeps_an_owner(api):
    org_id = api.organization()
    assert api("remove_member", "ada", org_id, ADA).json["type"].endswith("last-owner")
    assert api("change_member", "ada", org_id, ADA, body={"role": "member"}).status == 409
    join(api, org_id, BOB, "owner")
    api.made("change_member", "ada", org_id, ADA, body={"role": "member"})
    assert api("remove_member", "bob", org_id, BOB).status == 409


def test_of_two_owners_who_leave_at_once_one_stays(api):
    org_id = api.organization()
    join(api, org_id, BOB, "owner")
    with ThreadPoolExecutor(2) as together:
        asked = [together.submit(api, "remove_member", who, org_id, user) for who, user in (("ada", ADA), ("bob", BOB))]
    assert sorted(one.result().status for one in asked) == [204, 409]


def test_a_member_is_added_once_and_must_be_somebody(api):
    org_id = api.organization()
    join(api, org_id, BOB, "member")
    again = api("add_member", "ada", org_id, body={"user_id": BOB, "role": "viewer"})
    assert (again.status, again.json["type"]) == (409, "/docs/problems#already-member")
    assert api("add_member", "ada", org_id, body={"user_id": NOBODY}).json["errors"][0]["field"] == "user_id"
    for wrong in ({"user_id": "bob"}, {"user_id": EVE, "role": "king"}, {"user_id": EVE, "rank": 1}, {}):
        assert api("add_member", "ada", org_id, body=wrong).status == 422, wrong
    assert api("change_member", "ada", org_id, EVE, body={"role": "viewer"}).status == 404
    assert api("remove_member", "ada", org_id, EVE).status == 404


def test_members_are_read_in_pages(api):
    org_id = api.organization()
    for user in (BOB, CYD, EVE):
        join(api, org_id, user, "member")
    first = api.made("list_members", "ada", org_id, query="limit=3")
    second = api.made("list_members", "ada", org_id, query=f"limit=3&cursor={first['next_cursor']}")
    users = [one["user_id"] for page in (first, second) for one in page["members"]]
    assert users == sorted([ADA, BOB, CYD, EVE])
    assert second["next_cursor"] is None


def test_organisations_are_read_in_pages_the_newest_first(api):
    made = [api.organization() for _ in range(3)]
    first = api.made("list_organizations", "ada", query="limit=2")
    second = api.made("list_organizations", "ada", query=f"limit=2&cursor={first['next_cursor']}")
    assert [one["org_id"] for page in (first, second) for one in page["organizations"]] == made[::-1]


def test_a_rename_and_a_new_member_at_once_lose_neither(api):
    org_id = api.organization()
    with ThreadPoolExecutor(2) as together:
        added = together.submit(join, api, org_id, BOB, "member")
        named = together.submit(api, "change_organization", "ada", org_id, body={"name": "Else"})
        added.result()
    if named.result().status == 409:
        api.made("change_organization", "ada", org_id, body={"name": "Else"})
    told = api.made("get_organization", "ada", org_id)
    assert (told["name"], told["members"]) == ("Else", 2)


@pytest.mark.parametrize("wrong", [{}, {"name": ""}, {"name": " "}, {"name": None}, {"name": "a\x00"}, {"nom": "x"}])
def test_a_change_that_is_none_is_refused(api, wrong):
    assert api("change_organization", "ada", api.organization(), body=wrong).status == 422


def test_an_organisation_is_closed_when_its_account_is_empty_and_not_before(api):
    org_id = api.organization()
    api.credit(org_id, 5)
    refused = api("close_organization", "ada", org_id)
    assert (refused.status, refused.json["type"]) == (409, "/docs/problems#account-not-empty")
    api.made("deduct", "service", org_id, body={"amount": 5})
    assert api.made("close_organization", "ada", org_id)["state"] == "closed"
    assert api.made("close_organization", "ada", org_id)["state"] == "closed"  # asking twice is harmless
    assert api.made("get_account", "ada", org_id)["state"] == "closed"
    assert api("add_member", "ada", org_id, body={"user_id": BOB}).status == 404
    assert api("credit_account", "admin", org_id, body={"amount": 1, "reason": "late"}).status == 409
    with pytest.raises(AccountClosed):
        payer_of(api, "ada", org_id)


def test_the_budget_of_an_organisation_is_enforced_by_the_hold(api):  # a budget refuses, a report would only tell
    org_id = api.organization(budget={"limit": 10})
    api.credit(org_id, 1000)
    join(api, org_id, BOB, "member")
    hold(api, "bob", org_id, 6, "ren_1")
    with pytest.raises(BudgetExceeded):
        hold(api, "ada", org_id, 5, "ren_2")
    api.book.capture("ren_1", org_id, "cap_1", 4_000_000, {"escrow:ren_1": 4_000_000})
    hold(api, "ada", org_id, 5, "ren_2")
    budget = api.made("get_organization", "bob", org_id)["budget"]
    assert (budget["spent"], budget["held"], budget["remaining"]) == (4, 5, 1)
    (seen,) = api.made("get_account", "ada", org_id)["budgets"]
    assert (seen["scope"], seen["spent"], seen["held"]) == ("account", 4, 5)


def test_a_members_budget_bounds_that_member_alone(api):
    org_id = api.organization(budget={"limit": 100})
    api.credit(org_id, 1000)
    join(api, org_id, BOB, "member", budget={"limit": 5})
    hold(api, "bob", org_id, 5, "ren_1")
    with pytest.raises(BudgetExceeded):
        hold(api, "bob", org_id, 1, "ren_2")
    hold(api, "ada", org_id, 50, "ren_3")
    scopes = {one["scope"]: one["held"] for one in api.made("get_account", "bob", org_id)["budgets"]}
    assert scopes == {"account": 55, "member": 5}
    bob = next(one for one in api.made("list_members", "ada", org_id)["members"] if one["user_id"] == BOB)
    assert (bob["budget"]["held"], bob["budget"]["remaining"]) == (5, 0)


def test_a_budget_is_whole_again_with_the_calendar_month(api):
    api.credit(ADA, 1000)
    api.made("set_budget", "ada", "me", body={"budget": {"limit": 10}})
    api.clock.tick(days=7, hours=13, minutes=59)  # 31 May, 23:59
    hold(api, "ada", None, 10, "ren_1")
    with pytest.raises(BudgetExceeded):
        hold(api, "ada", None, 1, "ren_2")
    api.clock.tick(minutes=1)
    hold(api, "ada", None, 10, "ren_3")
    (budget,) = api.made("get_account", "ada", "me")["budgets"]
    assert (budget["month"], budget["held"]) == ("2026-06", 10)


def test_a_budget_holds_under_many_at_once(api):
    org_id = api.organization(budget={"limit": 10})
    api.credit(org_id, 1000)

    def ask(number: int) -> bool:
        try:
            hold(api, "ada", org_id, 1, f"ren_{number}")
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as together:
        assert sum(together.map(ask, range(20))) == 10


def test_one_pays_from_ones_own_account_unless_told(api):
    assert payer_of(api, "ada") == Payer(ADA, ())
    assert payer_of(api, "agent") == Payer(ADA, ())
    assert payers.payer_of(CALLERS["ada"], None) == Payer(ADA, ())
    assert payer_of(api, "ada", ADA) == payer_of(api, "ada", "me") == Payer(ADA, ())
    org_id = api.organization()
    assert payer_of(api, "agent", org_id) == Payer(org_id, ())
    for account_id in (BOB, "seller:vastai", "house:credits", "nonsense", "org_01J0000000000000000000000X"):
        with pytest.raises(AccountNotFound):
            payer_of(api, "ada", account_id)
    with pytest.raises(AccountNotFound):
        payer_of(api, "eve", org_id)
    with pytest.raises(Forbidden):
        payer_of(api, "service", org_id)


def test_the_account_of_who_rents_is_opened_by_it(api):
    """Also before anybody told that they registered: then the money is lacking, and not the account."""
    with pytest.raises(InsufficientFunds):
        hold(api, "ada", None, 1, "ren_1")
    assert api.balance(ADA) == (0, 0, 0)
    assert api("get_balance", "service", BOB).status == 404
    api.calls.clear()
    payer_of(api, "ada")
    assert api.calls == ["GetItem"]


def test_a_user_makes_so_many_organisations_and_no_more(api, monkeypatch):
    from gpubroker.ledger.organizations import repository

    monkeypatch.setattr(repository, "MOST_MADE", 2)
    first = api.organization()
    api.organization()
    refused = api("create_organization", "ada", body={"name": "Third"})
    assert (refused.status, refused.json["type"]) == (409, "/docs/problems#too-many-organizations")
    api.made("close_organization", "ada", first)
    api.organization()


def test_an_organisation_has_so_many_members_and_no_more(api, monkeypatch):
    from gpubroker.ledger.organizations import repository

    monkeypatch.setattr(repository, "MOST_MEMBERS", 2)
    org_id = api.organization()
    join(api, org_id, BOB, "member")
    assert api("add_member", "ada", org_id, body={"user_id": EVE}).json["type"].endswith("too-many-members")
