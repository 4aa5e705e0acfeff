"""The configuration of thresholds over HTTP. # 427, 452, 472, 473"""

from typing import Any

import boto3
import pytest

from gpubroker.usage.thresholds import repository
from tests.integration.usage.thresholds.conftest import SEED, Api

CALLBACK = "https://93.184.216.34/usage"  # an address needs no resolver


def test_the_seeds_configuration_is_kept_and_shown(api: Api) -> None:
    made = api("create_threshold", body=SEED)
    assert made.status == 201
    assert made.headers["location"] == f"/api/v1/usage/thresholds/{made.json['threshold_id']}"
    assert {name: made.json[name] for name in SEED} == SEED
    assert made.json["callback_secret"] is None
    shown = api.one("get_threshold", made.json)
    assert shown.json == {name: value for name, value in made.json.items() if name != "callback_secret"}
    assert (shown.json["metric"], shown.json["created_by"]) == ("storage_gb", "usr_admin")


def test_only_administrators_may(api: Api) -> None:
    made = api.threshold()
    path = {"threshold_id": made["threshold_id"]}
    for handler, how in {
        "create_threshold": {"body": SEED},
        "list_thresholds": {},
        "get_threshold": {"path": path},
        "change_threshold": {"path": path, "body": {"enabled": False}},
        "delete_threshold": {"path": path},
        "list_threshold_crossings": {"path": path},
    }.items():
        assert api(handler, "nobody", **how).status == 401, handler
        assert api(handler, "user", **how).status == 403, handler
        assert api(handler, "service", **how).status == 403, handler
    assert api.one("get_threshold", made).json["enabled"] is True


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"units": "hours"}, 422, "units"),
        ({"threshold_value": -1}, 422, "threshold_value"),
        ({"threshold_value": None}, 422, "threshold_value"),
        ({"threshold_type": "percentage"}, 422, "limit"),
        ({"threshold_type": "percentage", "units": "%", "threshold_value": 101, "limit": 5}, 422, "threshold_value"),
        ({"period": "month"}, 422, "period"),
        ({"colour": "red"}, 422, "colour"),
        ({"callback_url": "http://example.com/in"}, 422, "callback_url"),
        ({"callback_url": "https://169.254.169.254/latest"}, 422, "callback_url"),
        ({"callback_url": "https://10.0.0.1/in"}, 422, "callback_url"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(api: Api, body: dict[str, Any], status: int, field: str) -> None:
    refused = api("create_threshold", body=SEED | body)
    assert (refused.status, [error["field"] for error in refused.json["errors"]]) == (status, [field])
    assert api("list_thresholds").json["thresholds"] == []


@pytest.mark.parametrize("text", ["{", '{"threshold_value": NaN}', '{"units": "GB", "units": "MB"}', "[]"])
def test_what_cannot_be_read_is_refused(api: Api, text: str) -> None:
    assert api("create_threshold", body=text).status in (400, 422)


def test_the_same_key_makes_one_threshold(api: Api) -> None:
    first = api("create_threshold", body=SEED, idempotency_key="k")
    again = api("create_threshold", body=SEED, idempotency_key="k")
    other = api("create_threshold", body=SEED | {"threshold_value": 1}, idempotency_key="k")
    assert (again.status, again.json) == (201, first.json)
    assert other.status == 422
    assert len(api("list_thresholds").json["thresholds"]) == 1


def test_lists_are_paged_by_signed_cursors_for_all_and_for_one_user(api: Api) -> None:
    made = []
    for number in range(7):
        api.clock.tick(seconds=1)
        made.append(api.threshold(user_id="*" if number % 2 else "user_a", threshold_value=number)["threshold_id"])

    def walk(more: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = api("list_thresholds", query=f"limit=2{more}{cursor}").json
            found += [one["threshold_id"] for one in page["thresholds"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert walk("") == made[::-1]
    assert walk("&user_id=user_a") == made[::-2]
    assert walk("&user_id=*") == made[1::2][::-1]
    assert walk("&user_id=user_b") == []
    cursor = api("list_thresholds", query="limit=2").json["next_cursor"]
    assert api("list_thresholds", query=f"limit=2&user_id=user_a&cursor={cursor}").status == 422
    assert api("list_thresholds", query="limit=0").status == 422


def test_a_threshold_is_changed_and_what_is_wrong_together_is_refused(api: Api) -> None:
    made = api.threshold()
    changed = api.one("change_threshold", made, body={"threshold_value": 0.6, "units": "tb", "recurring": True})
    assert changed.status == 200, changed.json
    told = changed.json
    assert (told["threshold_value"], told["units"], told["recurring"], told["every"]) == (0.6, "TB", True, 0.6)
    assert told["updated_at"] is not None
    refused = api.one("change_threshold", made, body={"units": "hours"})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "units")
    assert api.one("change_threshold", made, body={}).status == 422
    assert api.one("get_threshold", made).json["units"] == "TB"


def test_what_is_not_there_is_404(api: Api) -> None:
    nothing = {"threshold_id": "thr_01KSCN0000000000000000000Z"}
    for handler, how in {"get_threshold": {}, "delete_threshold": {}, "list_threshold_crossings": {}}.items():
        assert api.one(handler, nothing, **how).status == 404
    assert api.one("change_threshold", nothing, body={"enabled": False}).status == 404


def test_a_deleted_one_is_gone_and_makes_room(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MOST", 2)
    made = [api.threshold() for _ in range(2)]
    full = api("create_threshold", body=SEED)
    assert (full.status, full.json["type"]) == (409, "/docs/problems#too-many-thresholds")
    assert api("create_threshold", body=SEED | {"user_id": "*"}).status == 201
    assert api.one("delete_threshold", made[0]).status == 204
    assert api.one("delete_threshold", made[0]).status == 404
    assert api("create_threshold", body=SEED).status == 201


# ---------------------------------------------------------------- an address of its own


def hooks(threshold: dict[str, Any]) -> list[dict[str, Any]]:
    """Webhooks that belong to a threshold."""
    import json

    items = boto3.resource("dynamodb").Table("delivery").scan()["Items"]
    return [json.loads(item["webhook"]) for item in items if item["pk"] == f"{threshold['threshold_id']}#WEBHOOK"]


def test_an_address_of_its_own_is_a_webhook_of_the_threshold_with_a_secret_that_is_shown_once(api: Api) -> None:
    made = api.threshold(callback_url=CALLBACK)
    assert made["callback_secret"].startswith("whsec_")
    (hook,) = hooks(made)
    assert (hook["url"], hook["events"]) == (CALLBACK, ["usage_threshold"])
    assert made["callback_secret"] not in str(hook)
    assert "callback_secret" not in api.one("get_threshold", made).json

    moved = api.one("change_threshold", made, body={"callback_url": CALLBACK + "/2"})
    assert (moved.json["callback_url"], moved.json["callback_secret"]) == (CALLBACK + "/2", None)
    assert [hook["url"] for hook in hooks(made)] == [CALLBACK + "/2"]
    gone = api.one("change_threshold", made, body={"callback_url": None})
    assert gone.json["callback_url"] is None
    assert hooks(made) == []
    first = api.one("change_threshold", made, body={"callback_url": CALLBACK})
    assert first.json["callback_secret"].startswith("whsec_")
    assert api.one("delete_threshold", made).status == 204
    assert hooks(made) == []


def test_an_address_that_was_left_behind_is_never_called_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forgets an address may die before it is forgotten, or before the threshold knows."""
    made = api.threshold(callback_url=CALLBACK)
    with monkeypatch.context() as patch:
        patch.setattr("gpubroker.composition.thresholds._Callbacks.forget", lambda self, threshold_id: None)
        assert api.one("change_threshold", made, body={"callback_url": None}).status == 200
    assert len(hooks(made)) == 1
    again = api.one("change_threshold", made, body={"callback_url": CALLBACK + "/2"}).json
    assert again["callback_secret"].startswith("whsec_")
    assert [hook["url"] for hook in hooks(made)] == [CALLBACK + "/2"]
    (hook,) = hooks(made)
    boto3.resource("dynamodb").Table("delivery").delete_item(
        Key={"pk": f"{made['threshold_id']}#WEBHOOK", "sk": hook["webhook_id"]}
    )
    anew = api.one("change_threshold", made, body={"callback_url": CALLBACK + "/3"}).json
    assert anew["callback_secret"].startswith("whsec_")
    assert [hook["url"] for hook in hooks(made)] == [CALLBACK + "/3"]


def test_a_repeated_request_leaves_no_address_behind(api: Api) -> None:
    body = SEED | {"callback_url": CALLBACK}
    first = api("create_threshold", body=body, idempotency_key="k").json
    again = api("create_threshold", body=body, idempotency_key="k").json
    assert again == first | {"callback_secret": None}
    items = boto3.resource("dynamodb").Table("delivery").scan()["Items"]
    assert [item["pk"] for item in items if item["pk"].endswith("#WEBHOOK")] == [f"{first['threshold_id']}#WEBHOOK"]


def test_an_address_that_may_not_be_called_leaves_the_threshold_as_it_was(api: Api) -> None:
    made = api.threshold(callback_url=CALLBACK)
    refused = api.one("change_threshold", made, body={"callback_url": "https://127.0.0.1/", "threshold_value": 1})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "callback_url")
    assert api.one("get_threshold", made).json["threshold_value"] == 500
    assert [hook["url"] for hook in hooks(made)] == [CALLBACK]
