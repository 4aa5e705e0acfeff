"""Price plans over their API: versions that never change, checks that name the field, accounts on them (443, 453)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from gpubroker.billing.plans.store import Plans
from gpubroker.kernel.time import iso
from tests.integration.billing.api import ME, NOW, Api, serving


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    yield from serving(make_table, monkeypatch)


EGRESS = {
    "resource": "network_egress_mb",
    "unit": "gb",
    "model": "graduated",
    "tiers": [{"up_to": 50}, {"from": 50, "up_to": 1000, "unit_price": 0.09, "flat_fee": 1.5}, {"unit_price": 0.05}],
}


def plan(plan_id: str = "team", **more: Any) -> dict[str, Any]:
    return {"plan_id": plan_id, "name": "Team", "prices": [EGRESS], **more}


def version(**more: Any) -> dict[str, Any]:
    return {"prices": [EGRESS], **more}


def test_a_plan_is_made_and_read_by_everybody(api: Api) -> None:
    """(453)"""
    made = api("create_plan", "admin", body=plan(monthly_fee=20, reason="the team asked"), key="k-1")
    assert made.status == 201
    assert made.headers["location"] == "/api/v1/billing/plans/team"
    assert api.calls == ["TransactWriteItems"]
    read = api("get_plan", "me", plan_id="team").json
    (only,) = read["versions"]
    assert (read["current_version"], only["version"], only["effective_from"]) == (1, 1, iso(NOW))
    assert (only["monthly_fee"], only["monthly_fee_micros"], only["proration"]) == (20, 20_000_000, "seconds")
    tiers = only["prices"][0]["tiers"]
    assert [(one["from"], one["up_to"], one["unit_price"], one["flat_fee_micros"]) for one in tiers] == [
        (0, 50, 0, 0),
        (50, 1000, 0.09, 1_500_000),
        (1000, None, 0.05, 0),
    ]
    (told,) = api.told()
    assert told["action"] == "price-plan-created"
    assert (told["subject"], told["by"], told["reason"]) == ("team", "usr_01KSCN0000000000000000000Z", "the team asked")
    assert told["before"] is None
    assert told["after"]["version"] == 1


def test_the_same_key_makes_one_plan(api: Api) -> None:
    first = api("create_plan", "admin", body=plan(), key="k-1")
    again = api("create_plan", "admin", body=plan(), key="k-1")
    assert (again.status, again.json) == (201, first.json)
    assert api("create_plan", "admin", body=plan(name="Other"), key="k-1").status == 422
    assert api("create_plan", "admin", body=plan()).json["type"].endswith("#price-plan-exists")
    assert len(api.told()) == 1


def test_the_list_has_the_standard_plan_and_pages(api: Api) -> None:
    """(453)"""
    for name in ("alpha", "team", "zulu"):
        assert api("create_plan", "admin", body=plan(name)).status == 201
    first = api("list_plans", "me", query="limit=2").json
    rest = api("list_plans", "me", query=f"limit=2&cursor={first['next_cursor']}").json
    assert [one["plan_id"] for one in [*first["plans"], *rest["plans"]]] == ["alpha", "standard", "team", "zulu"]
    assert rest["next_cursor"] is None
    standard = first["plans"][1]["current"]
    compute = [price for price in standard["prices"] if price["instances"] == "rental"]
    assert {price["unit_price"] for price in compute} == {0}, "the compute of a rental is paid with the rental"
    assert api("list_plans", "other", query=f"cursor={first['next_cursor']}").status == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tiers": [{"up_to": 10}, {"from": 5, "unit_price": 1}]}, "prices.0.tiers.1.from"),
        ({"tiers": [{"up_to": 10}, {"from": 11, "unit_price": 1}]}, "prices.0.tiers.1.from"),
        ({"tiers": [{"from": 1, "up_to": 10}, {}]}, "prices.0.tiers.0.from"),
        ({"tiers": [{"up_to": 10}, {"up_to": 10}, {}]}, "prices.0.tiers.1.up_to"),
        ({"tiers": [{"up_to": 10}, {"up_to": 5}, {}]}, "prices.0.tiers.1.up_to"),
        ({"tiers": [{"up_to": 10}]}, "prices.0.tiers.0.up_to"),
        ({"tiers": [{}, {"up_to": 5}]}, "prices.0.tiers.0.up_to"),
        ({"tiers": [{"up_to": 0}, {}]}, "prices.0.tiers.0.up_to"),
        ({"tiers": [{"unit_price": -1}]}, "prices.0.tiers.0.unit_price"),
        ({"tiers": [{"unit_price": 1e-13}]}, "prices.0.tiers.0.unit_price"),
        ({"tiers": [{"flat_fee": 0.0000001}]}, "prices.0.tiers.0.flat_fee"),
        ({"tiers": [{"flat_fee": 1e13}]}, "prices.0.tiers.0.flat_fee"),
        ({"tiers": [{"unit_price": "1"}]}, "prices.0.tiers.0.unit_price"),
        ({"tiers": []}, "prices.0.tiers"),
        ({"tiers": None}, "prices.0.tiers"),
        ({"unit": "hour"}, "prices.0.unit"),
        ({"resource": "cpu_percent"}, "prices.0.resource"),
        ({"model": "dynamic"}, "prices.0.model"),
        ({"unit_price": 1}, "prices.0.unit_price"),
        ({"minimum_spend": 10, "maximum_spend": 5}, "prices.0.maximum_spend"),
        ({"model": "package"}, "prices.0.tiers"),
        ({"model": "package", "tiers": None, "package_size": 0, "package_price": 1}, "prices.0.package_size"),
        ({"model": "package", "tiers": None, "package_size": 5}, "prices.0.package_price"),
        ({"currency": "EUR"}, "prices.0.currency"),
    ],
)
def test_a_price_that_makes_no_sense_names_its_field(api: Api, change: dict[str, Any], field: str) -> None:
    """(453)"""
    refused = api("create_plan", "admin", body=plan(prices=[EGRESS | change]))
    assert refused.status == 422
    assert field in api.fields(refused)
    assert api("get_plan", "me", plan_id="team").status == 404
    assert api.told() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"currency": "EUR"}, "currency"),
        ({"plan_id": "No Good"}, "plan_id"),
        ({"monthly_fee": -1}, "monthly_fee"),
        ({"monthly_fee": 1e13}, "monthly_fee"),
        ({"effective_from": "2026-11-01T00:00:00Z"}, "effective_from"),
        ({"effective_from": "2026-12-01T00:00:00"}, "effective_from"),
        ({"proration": "weeks"}, "proration"),
        ({"prices": [EGRESS, EGRESS]}, "prices.1.resource"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_plan_that_makes_no_sense_names_its_field(api: Api, change: dict[str, Any], field: str) -> None:
    refused = api("create_plan", "admin", body=plan(**change))
    assert (refused.status, api.fields(refused)) == (422, [field])


def test_nan_and_infinity_are_no_prices(api: Api) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = f'{{"plan_id": "team", "name": "T", "prices": [], "monthly_fee": {number}}}'
        assert api("create_plan", "admin", body=body).status in (400, 422)


def test_a_scheduled_version_holds_from_its_moment_and_can_be_taken_back_until_then(api: Api) -> None:
    """(443, 453)"""
    api("create_plan", "admin", body=plan())
    december = "2026-12-01T00:00:00.000Z"
    dearer = EGRESS | {"tiers": [{"unit_price": 0.2}]}
    added = api("add_plan_version", "admin", plan_id="team", body=version(prices=[dearer], effective_from=december))
    assert (added.status, added.json["version"], added.json["effective_from"]) == (201, 2, december)
    listed = api("list_plans", "me").json["plans"][1]
    assert (listed["current"]["version"], listed["scheduled"]) == (1, [2])
    assert listed["current"]["effective_until"] == december
    assert api("remove_plan_version", "admin", plan_id="team", version="1").status == 409
    assert api("remove_plan_version", "admin", plan_id="team", version="2", query="reason=a+mistake").status == 204
    assert api("remove_plan_version", "admin", plan_id="team", version="2").status == 404
    again = api("add_plan_version", "admin", plan_id="team", body=version(effective_from=december))
    assert again.json["version"] == 3, "a number is never used twice"
    api.clock.tick(days=21)
    assert api("get_plan", "me", plan_id="team").json["current_version"] == 3
    assert api("remove_plan_version", "admin", plan_id="team", version="3").status == 409, "it has begun"
    removed = [told for told in api.told() if told["action"] == "price-plan-version-removed"]
    assert [(one["before"]["version"], one["reason"]) for one in removed] == [(2, "a mistake")]


def test_the_standard_plan_has_a_next_version_like_any_other(api: Api) -> None:
    """(453)"""
    assert api("add_plan_version", "admin", plan_id="standard", body=version()).json["version"] == 2
    assert api("add_plan_version", "admin", plan_id="standard", body=version(name="New")).json["version"] == 3
    read = api("get_plan", "me", plan_id="standard").json
    assert (read["current_version"], read["name"]) == (3, "New")
    assert [one["version"] for one in read["versions"]] == [1, 2, 3]
    assert api("remove_plan", "admin", plan_id="standard").status == 409


def test_a_plan_is_forgotten_only_while_nobody_was_put_on_it(api: Api) -> None:
    """(453)"""
    api("create_plan", "admin", body=plan("one"))
    api("create_plan", "admin", body=plan("two"))
    assert api("set_account_plan", "admin", account_id=ME, body={"plan_id": "one"}).status == 200
    assert api("remove_plan", "admin", plan_id="one").json["type"].endswith("#price-plan-in-use")
    assert api("remove_plan", "admin", plan_id="two").status == 204
    assert api("get_plan", "me", plan_id="two").status == 404
    assert api("set_account_plan", "admin", account_id=ME, body={"plan_id": "two"}).status == 404


def test_an_account_is_put_on_a_plan_now_or_later(api: Api) -> None:
    """(453)"""
    api("create_plan", "admin", body=plan())
    before = api("get_account_plan", "me", account_id=ME).json
    assert (before["plan_id"], before["since"], before["scheduled"]) == ("standard", None, [])
    later = iso(NOW + timedelta(days=5))
    put = api("set_account_plan", "admin", account_id=ME, key="k", body={"plan_id": "team", "effective_from": later})
    assert put.json["scheduled"] == [{"plan_id": "team", "effective_from": later}]
    assert put.json["plan_id"] == "standard"
    repeated = api(
        "set_account_plan", "admin", account_id=ME, key="k", body={"plan_id": "team", "effective_from": later}
    )
    assert repeated.json == put.json
    api.clock.tick(days=6)
    assert api("get_account_plan", "agent", account_id=ME).json["plan_id"] == "team"
    now = api("set_account_plan", "admin", account_id=ME, body={"plan_id": "standard", "reason": "back"}).json
    assert (now["plan_id"], now["since"]) == ("standard", iso(api.clock()))
    changes = [told for told in api.told() if told["action"] == "account-plan-changed"]
    assert [(one["before"]["plan_id"], one["after"]["plan_id"]) for one in changes] == [
        ("standard", "standard"),
        ("team", "standard"),
    ]


def test_what_was_to_come_is_replaced(api: Api) -> None:
    for name in ("one", "two"):
        api("create_plan", "admin", body=plan(name))
    for name, days in (("one", 9), ("two", 5)):
        body = {"plan_id": name, "effective_from": iso(NOW + timedelta(days=days))}
        scheduled = api("set_account_plan", "admin", account_id=ME, body=body).json["scheduled"]
    assert [one["plan_id"] for one in scheduled] == ["two"]


def test_a_plan_cannot_be_had_before_it_begins_or_in_the_past(api: Api) -> None:
    api("create_plan", "admin", body=plan(effective_from=iso(NOW + timedelta(days=3))))
    refused = api("set_account_plan", "admin", account_id=ME, body={"plan_id": "team"})
    assert (refused.status, api.fields(refused)) == (422, ["effective_from"])
    past = {"plan_id": "standard", "effective_from": iso(NOW - timedelta(hours=1))}
    assert api.fields(api("set_account_plan", "admin", account_id=ME, body=past)) == ["effective_from"]
    assert api("list_plans", "me").json["plans"][1]["in_force"] is False


def test_another_tenants_account_looks_like_none(api: Api) -> None:
    assert api("get_account_plan", "other", account_id=ME).status == 404
    assert api("get_account_plan", "service", account_id=ME).status == 200
    assert api("get_account_plan", "admin", account_id=ME).status == 200
    assert api("get_account_plan", None, account_id=ME).status == 401
    for account_id in ("usr_nobody", "org_nobody"):
        assert api("set_account_plan", "admin", account_id=account_id, body={"plan_id": "standard"}).status == 404
    for account_id in ("seller:vastai", "house:fees"):
        assert api("set_account_plan", "admin", account_id=account_id, body={"plan_id": "standard"}).status == 422


def test_the_periods_of_a_month_have_no_gap(api: Api) -> None:
    """What an invoice reads: every version of every plan that held, and when (441, 443)"""
    api("create_plan", "admin", body=plan())
    api("set_account_plan", "admin", account_id=ME, body={"plan_id": "team"})
    api.clock.tick(days=4)
    api("add_plan_version", "admin", plan_id="team", body=version())
    api("add_plan_version", "admin", plan_id="standard", body=version(effective_from="2026-11-25T00:00:00Z"))
    api.clock.tick(days=2)
    api("set_account_plan", "admin", account_id=ME, body={"plan_id": "standard"})
    november, december = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    api.calls.clear()
    periods = Plans().periods(ME, november, december)
    assert sorted(set(api.calls)) == ["BatchGetItem", "GetItem"]
    assert [(one.plan.plan_id, one.plan.version, one.since.day, one.until.day) for one in periods] == [
        ("standard", 1, 1, 10),
        ("team", 1, 10, 14),
        ("team", 2, 14, 16),
        ("standard", 1, 16, 25),
        ("standard", 2, 25, 1),
    ]
    assert periods[0].since == november
    assert periods[-1].until == december
    assert all(a.until == b.since for a, b in pairwise(periods))
    assert [one.plan.version for one in Plans().periods("usr_nobody", november, december)] == [1, 2]


def test_what_usage_would_cost(api: Api) -> None:
    """(443)"""
    api("create_plan", "admin", body=plan())
    asked = {"usage": {"network_egress_mb": 1_050_000.5, "gpu_seconds": 3600}}
    told = api("estimate_plan", "me", plan_id="team", body=asked).json
    lines = [
        (one["resource"], one["kind"], one["tier"], one["quantity"], one["amount_micros"]) for one in told["lines"]
    ]
    assert lines == [
        ("network_egress_mb", "usage", 1, 50, 0),
        ("network_egress_mb", "flat_fee", 2, 0, 1_500_000),
        ("network_egress_mb", "usage", 2, 950, 85_500_000),
        ("network_egress_mb", "usage", 3, 50.0005, 2_500_025),
        ("gpu_seconds", "usage", None, 3600, 0),
    ]
    assert (told["total"], told["total_micros"]) == (89.500025, 89_500_025)
    more = {"usage": {"network_egress_mb": 1000}, "already_used": {"network_egress_mb": 49_500}}
    assert api("estimate_plan", "me", plan_id="team", body=more).json["total"] == 1.545
    assert api("estimate_plan", "me", plan_id="team", body={"usage": {"network_egress_mb": -1}}).status == 422
    assert api("estimate_plan", "me", plan_id="nope", body=asked).status == 404
    assert api("estimate_plan", "me", plan_id="team", body=more | {"usage": {"gpu_seconds": 1}}).status == 422
