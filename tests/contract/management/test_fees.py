"""Fees over the API: to the letter, versioned, scheduled; orders keep what they were promised. # (27)-(33)"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gpubroker.kernel.time import iso, utc_now
from tests.contract.callers import Callers
from tests.contract.house import House, Reply, query

BASE = "/api/management/integration"
Ask = Callable[..., Reply]


@pytest.fixture
def ask(house: House, callers: Callers) -> Ask:
    def asked(method: str, path: str, body: Any = None, *, who: str = "admin", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return house.call(method, BASE + path, token=callers[who].token, body=body, headers=sent)

    return asked


def tier(tier_id: str, low: float, high: float | None, fee: float = 0.5) -> dict[str, Any]:
    return {"id": tier_id, "name": tier_id, "minVolume": low, "maxVolume": high, "buyerFee": fee, "sellerFee": fee}


def without(told: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != name}


def fees(buyer: float = 0.5, seller: float = 0.5, *tiers: Any, **more: Any) -> dict[str, Any]:
    return {"buyerFee": buyer, "sellerFee": seller, "tiers": list(tiers), **more}


def test_the_configuration_is_told_to_the_letter_from_the_beginning(ask: Ask) -> None:
    """(27)-(31); this is the first test of the module: nobody has changed anything"""
    reply = ask("GET", "/fees/config", who="service")
    told = reply.json()
    assert reply.status == 200
    assert told == {
        "buyerFee": 0.5,
        "sellerFee": 0.5,
        "tiers": [
            {**tier("standard", 0, 10_000), "name": "Standard"},
            {**tier("premium", 10_000, None, 0.4), "name": "Premium"},
        ],
        "version": 0,
        "effective_from": "1970-01-01T00:00:00.000Z",
    }
    assert '"maxVolume":null' in reply.text


def test_a_change_holds_at_once_and_what_was_promised_stays(ask: Ask) -> None:
    """(33)"""
    before = {"orderId": "ord-before", "userId": "usr_f", "status": "pending", "amount": 1000}
    assert ask("POST", "/orders/update", before).status == 200
    changed = ask("PUT", "/fees/config", fees(1, 2, tier("all", 0, None, 3)))
    assert (changed.status, changed.json()["version"]) == (200, 1)
    assert ask("GET", "/fees/config").json()["tiers"] == [tier("all", 0, None, 3)]
    assert ask("POST", "/orders/update", {**before, "orderId": "ord-after"}).status == 200
    for name, told, other in (("before", 10, 60), ("after", 60, 10)):
        trade = {**before, "orderId": f"ord-{name}", "transactionId": f"txn-{name}", "status": "completed"}
        assert ask("POST", "/transactions/update", {**trade, "fees": other}).status == 400
        assert ask("POST", "/transactions/update", {**trade, "fees": told}).status == 200


def test_a_scheduled_change_waits_for_its_moment(ask: Ask) -> None:
    moment = iso(utc_now() + timedelta(days=3))
    before = ask("GET", "/fees/config").json()
    scheduled = ask("PUT", "/fees/config", fees(9, 9, effective_from=moment)).json()
    assert scheduled["effective_from"] == moment
    assert ask("GET", "/fees/config").json() == before
    listed = ask("GET", "/fees/config/versions", who="service").json()["versions"]
    assert listed[0] == scheduled
    assert listed[0]["createdBy"].startswith("usr_")
    page = ask("GET", "/fees/config/versions?limit=1").json()
    then = ask("GET", f"/fees/config/versions?{query(limit=1, cursor=page['next_cursor'])}").json()
    assert [page["versions"][0]["version"], then["versions"][0]["version"]] == [one["version"] for one in listed[:2]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (fees(0.5, 0.5, tier("a", 0, 100), tier("b", 50, None)), "tiers.1.minVolume"),
        (fees(0.5, 0.5, tier("a", 0, 100), tier("b", 200, None)), "tiers.1.minVolume"),
        (fees(0.5, 0.5, tier("a", 100, None)), "tiers.0.minVolume"),
        (fees(0.5, 0.5, tier("a", 0, None), tier("b", 100, 200)), "tiers.0.maxVolume"),
        (fees(0.5, 0.5, tier("a", 100, 0)), "tiers.0.maxVolume"),
        (fees(0.5, 0.5, tier("a", 0, None, 100.5)), "tiers.0.buyerFee"),
        (fees(0.5, 0.5, tier("a", 0, None, -1)), "tiers.0.sellerFee"),
        (fees(0.5, 0.5, {**tier("a", 0, None), "minVolume": -1}), "tiers.0.minVolume"),
        (fees(0.5, 0.5, {**tier("a", 0, None), "name": ""}), "tiers.0.name"),
        (
            fees(0.5, 0.5, without(tier("a", 0, None), "maxVolume")),
            "maxVolume",
        ),
        (fees(101, 0.5), "buyerFee"),
        (fees(0.5, -0.1), "sellerFee"),
        (fees(effective_from="2020-01-01T00:00:00Z"), "effective_from"),
        (fees(effective_from="tomorrow"), "effective_from"),
        (fees(effective_from="2030-01-01T00:00:00"), "effective_from"),
        (fees(0.5, 0.5, *[tier(str(n), n, n + 1) for n in range(51)]), "tiers"),
        ({"buyerFee": 0.5, "sellerFee": 0.5}, "tiers"),
        ({**fees(), "more": 1}, "more"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_field(ask: Ask, body: Any, field: str) -> None:
    """(31)"""
    before = ask("GET", "/fees/config/versions").json()
    reply = ask("PUT", "/fees/config", body)
    assert reply.status == 400, reply.text
    assert set(reply.json()) == {"success", "error"}
    assert field in reply.json()["error"]
    assert ask("GET", "/fees/config/versions").json() == before


def test_no_number_is_no_fee(ask: Ask) -> None:
    for number in ("NaN", "1e400", '"1"', "true"):
        text = json.dumps(fees("HERE")).replace('"HERE"', number)  # type: ignore[arg-type]
        assert ask("PUT", "/fees/config", text).status == 400


def test_only_administrators_change_fees(ask: Ask) -> None:
    assert ask("PUT", "/fees/config", fees(), who="service").status == 403
    assert ask("PUT", "/fees/config", fees(), who="free").status == 403
    assert ask("PUT", "/fees/config", fees(), who="anonymous").status == 401


def test_a_repeated_change_is_one_version(ask: Ask) -> None:
    first = ask("PUT", "/fees/config", fees(2, 2), idempotency_key="once")
    again = ask("PUT", "/fees/config", fees(2, 2), idempotency_key="once")
    assert (first.status, first.json()) == (again.status, again.json())
    assert ask("PUT", "/fees/config", fees(3, 3), idempotency_key="once").status == 400
    assert ask("GET", "/fees/config").json()["buyerFee"] == 2


def test_each_side_is_rated_by_what_it_has_settled(ask: Ask) -> None:
    """(30), (32)"""
    from gpubroker.management.items import VolumeItem
    from gpubroker.management.volumes import Volumes
    from gpubroker.storage.transaction import transaction

    wanted = fees(0.5, 0.5, tier("small", 0, 10_000, 0.5), tier("large", 10_000, None, 0.25))
    assert ask("PUT", "/fees/config", wanted).status == 200
    for settled, pct in ((9_999_999_999, 0.5), (1, 0.25)):
        with transaction(VolumeItem) as tx:
            Volumes().add(tx, "usr_large", "buyer", settled, at=utc_now() - timedelta(days=20))
        order = {"orderId": f"ord-{pct}", "userId": "usr_large", "status": "pending", "amount": 1}
        assert ask("POST", "/orders/update", order).status == 200
        told = ask("GET", f"/orders/ord-{pct}").json()
        assert (told["buyerFee"], told["sellerFee"]) == (pct, 0.5)
