"""What callers may do with alerts. # (273), (346), (347)"""

from datetime import timedelta

import pytest

from gpubroker.kernel.time import iso
from tests.integration.prices.alerts.conftest import Api


def test_an_alert_is_made_seen_listed_and_forgotten(api: Api) -> None:  # (273), (346), (347)
    answer = api("create_alert", "ada", body={"gpu_type": "a100", "max_price": 1.5})
    assert answer.status == 201
    alert = answer.json
    assert answer.headers["location"] == f"/api/v2/alerts/{alert['alert_id']}"
    assert (alert["gpu_type"], alert["max_price"], alert["max_price_micros"]) == ("A100", 1.5, 1_500_000)
    assert (alert["status"], alert["crossings"], alert["last_trigger"]) == ("active", 0, None)
    assert alert["channels"] == ["websocket", "email", "push", "inbox", "webhook"]
    path = {"alert_id": alert["alert_id"]}
    assert api("get_alert", "ada", path=path).json == alert
    assert api("list_alerts", "ada").json == {"alerts": [alert], "next_cursor": None}
    assert api("delete_alert", "ada", path=path).status == 204
    assert api("get_alert", "ada", path=path).status == 404
    assert api("delete_alert", "ada", path=path).status == 404
    assert api.entries() == []


def test_gpu_is_another_name_and_only_one_of_both_is_taken(api: Api) -> None:
    assert api("create_alert", "ada", body={"gpu": "A100", "max_price": 1}).json["gpu_type"] == "A100"
    assert api("create_alert", "ada", body={"gpu": "A100", "gpu_type": "A100", "max_price": 1}).status == 422
    assert api("create_alert", "ada", body={"max_price": 1}).status == 422


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"gpu_type": "Z9000"}, "gpu_type"),
        ({"gpu_type": "A100 80GB"}, "gpu_type"),
        ({"region": "atlantis"}, "region"),
        ({"provider": "nobody"}, "provider"),
        ({"max_price": 0}, "max_price"),
        ({"max_price": "1.5"}, "max_price"),
        ({"max_price": 1e-7}, "max_price"),
        ({"max_price": -1}, "max_price"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"channels": []}, "channels"),
        ({"channels": ["pigeon"]}, "channels.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(api: Api, wanted: dict, field: str) -> None:
    answer = api("create_alert", "ada", body={"gpu_type": "A100", "max_price": 1.5} | wanted)
    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert api.entries() == []


def test_another_tenants_alert_is_no_alert(api: Api) -> None:
    path = {"alert_id": api.alert("ada")["alert_id"]}
    assert api("get_alert", "bob", path=path).status == 404
    assert api("change_alert", "bob", path=path, body={"paused": True}).status == 404
    assert api("delete_alert", "bob", path=path).status == 404
    assert api("list_alerts", "bob").json["alerts"] == []
    assert api("get_alert", "nobody", path=path).status == 401
    assert api("delete_alert", "reader", path=path).status == 403
    assert api("get_alert", "reader", path=path).status == 200


def test_the_same_key_and_body_is_the_same_alert_and_another_body_is_refused(api: Api) -> None:
    first = api.alert(headers={"idempotency_key": "k-1"})
    assert api.alert(headers={"idempotency_key": "k-1"}) == first
    assert len(api("list_alerts", "ada").json["alerts"]) == 1
    other = api("create_alert", "ada", body={"gpu_type": "A100", "max_price": 2}, idempotency_key="k-1")
    assert (other.status, other.json["type"].rpartition("#")[2]) == (422, "idempotency-key-reused")


def test_a_list_goes_on_where_it_stopped_and_its_cursor_is_nobody_elses(api: Api) -> None:
    made = []
    for _ in range(5):
        api.clock.tick(seconds=1)
        made.append(api.alert()["alert_id"])
    first = api("list_alerts", "ada", query="limit=2").json
    second = api("list_alerts", "ada", query=f"limit=3&cursor={first['next_cursor']}").json
    assert [one["alert_id"] for one in first["alerts"] + second["alerts"]] == made[::-1]
    assert second["next_cursor"] is None
    assert api("list_alerts", "bob", query=f"cursor={first['next_cursor']}").status == 422


def test_a_plan_keeps_so_many_alerts_and_expired_ones_make_room(api: Api) -> None:
    soon = iso(api.clock.now + timedelta(minutes=1))
    api.alert(expires_at=soon)
    for _ in range(9):
        api.alert()
    refused = api("create_alert", "ada", body={"gpu_type": "A100", "max_price": 1})
    assert (refused.status, refused.json["type"].rpartition("#")[2]) == (409, "alert-cap-reached")
    api.clock.tick(minutes=2)
    assert {one["status"] for one in api("list_alerts", "ada").json["alerts"]} == {"active", "expired"}
    api.alert()
    assert {one["status"] for one in api("list_alerts", "ada").json["alerts"]} == {"active"}
    assert api("create_alert", "ada", body={"gpu_type": "A100", "max_price": 1}).status == 409
    path = {"alert_id": api("list_alerts", "ada").json["alerts"][0]["alert_id"]}
    api("delete_alert", "ada", path=path)
    api.alert()


def test_a_change_is_written_once_and_moves_the_index(api: Api) -> None:
    alert = api.alert(spot=False)
    path = {"alert_id": alert["alert_id"]}
    paused = api("change_alert", "ada", path=path, body={"paused": True}).json
    assert (paused["status"], api.entries()) == ("paused", [])
    resumed = api("change_alert", "ada", path=path, body={"paused": False, "max_price": 1.25}).json
    assert (resumed["status"], resumed["max_price"]) == ("active", 1.25)
    assert api.entries() == [f"WATCH#on-demand#*#*#A100 0000001250000#{alert['alert_id']}"]
    before = api("get_alert", "ada", path=path).json
    assert api("change_alert", "ada", path=path, body={"max_price": 1.25}).json == before
    for body in ({}, {"paused": None}, {"gpu_type": "H100"}):
        assert api("change_alert", "ada", path=path, body=body).status == 422


def test_an_agents_alert_is_its_owners(api: Api) -> None:
    alert = api.alert("agent")
    assert api("get_alert", "bob", path={"alert_id": alert["alert_id"]}).status == 200


def test_making_one_is_one_transaction_and_looking_at_one_is_one_read(api: Api) -> None:
    alert = api.alert(headers={"idempotency_key": "k-9"}, provider="vastai")
    assert [operation for operation, _ in api.calls] == ["TransactWriteItems"]
    assert len(api.entries()) == 32
    api("get_alert", "ada", path={"alert_id": alert["alert_id"]})
    assert [operation for operation, _ in api.calls] == ["GetItem"]
    api("list_alerts", "ada")
    assert [operation for operation, _ in api.calls] == ["Query"]


def test_what_it_waits_for_is_there_already_so_it_fires_at_once(api: Api) -> None:
    api.market.sell("vastai-dear", 1_500_001)
    assert api.alert()["crossings"] == 0
    api.market.sell("vastai-cheap", 1_400_000)
    alert = api.alert(headers={"idempotency_key": "k-1"})
    assert alert["last_trigger"]["offer_id"] == "vastai-cheap"
    (fact,) = api.facts()
    assert (fact["type"], fact["data"]["alert_id"], fact["data"]["crossing"]) == (
        "PriceAlertTriggered",
        alert["alert_id"],
        1,
    )
    api.alert(headers={"idempotency_key": "k-1"})
    assert len(api.facts()) == 1
