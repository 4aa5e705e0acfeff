"""Telling users: once by each channel, whatever is delivered twice, and what they may say about it."""

import json
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.client
import pytest

from gpubroker.delivery.notifications import marks
from gpubroker.delivery.notifications.notice import Channel
from tests.integration.delivery.notifications.conftest import TOPICS, Api
from tests.integration.prices.alerts.conftest import message

EVENTS = Path(__file__).parents[4] / "events"


def alert_event(number: int = 1, **more: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "prices" / "PriceAlertTriggered.v1.json").read_text())
    event["detail"] |= {"user_id": "usr_ada", "tenant": "usr_ada", "event_id": f"evt_{number:026d}"} | more
    return event


def rental_event(kind: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "rentals" / f"{kind}.v1.json").read_text())
    event["detail"]["user_id"] = "usr_ada"
    return event


def with_device(api: Api, who: str = "ada") -> str:
    answer = api("add_device", who, body={"endpoint": "https://push.example.com/ada", "name": "phone"})
    assert answer.status == 201
    api.relay()
    device_id: str = answer.json["device_id"]
    return device_id


def test_an_alert_that_fired_is_in_the_inbox_mailed_and_pushed_once(api: Api) -> None:  # (273)
    with_device(api)
    assert api.tell(alert_event()) == []
    assert api.tell(alert_event()) == []
    (notification,) = api.inbox()
    assert notification["title"] == "A100 at $1.40 per GPU-hour"
    assert notification["subject"]["alert_id"] == "alr_01KSCN0000000000000000000A"
    ((to, subject, text),) = api.mails()
    assert (to, subject) == ("ada@example.com", "GPUBROKER: A100 at $1.40 per GPU-hour")
    assert "your alert waits for $1.50 or less" in text
    (pushed,) = api.pushes()
    assert (pushed["kind"], pushed["subject"]["crossing"]) == ("price_alert", 1)


def test_deliveries_side_by_side_are_one_notification_one_mail_and_one_push(api: Api) -> None:
    with_device(api)
    handler = import_module("delivery.tell_notices").handler
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: handler({"Records": [message(alert_event())]}, None), range(16)))
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (1, 1, 1)


@pytest.mark.parametrize("kind", ["RentalReady", "RentalFailed", "RentalEnded", "RentalRenewalRefused"])
def test_what_becomes_of_a_rental_is_told(api: Api, kind: str) -> None:  # (323)
    assert api.tell(rental_event(kind)) == []
    (notification,) = api.inbox()
    assert notification["kind"] == "rental_status"
    assert notification["subject"] == {"rental_id": "ren_01KSCPQP650KCY29RB756MGB45", "event_type": kind}
    assert len(api.mails()) == 1


def test_only_the_channels_of_the_alert_and_of_its_users_choice(api: Api) -> None:
    with_device(api)
    api.tell(alert_event(1, channels=["websocket", "inbox"]))
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (1, 0, 0)
    chosen = api("set_preferences", "ada", body={"price_alert": ["email"]}).json
    every = ["inbox", "email", "push"]
    assert chosen == {"price_alert": ["email"], "rental_status": every, "usage_threshold": every}
    assert api("get_preferences", "ada").json == chosen
    api.tell(alert_event(2))
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (1, 1, 0)
    api.tell(rental_event("RentalReady"))
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (2, 2, 1)
    assert api("get_preferences", "bob").json["price_alert"] == ["inbox", "email", "push"]
    assert api("set_preferences", "ada", body={"price_alert": ["pigeon"]}).status == 422


def test_an_address_that_nobody_has_verified_gets_no_mail(api: Api) -> None:
    assert api.tell(alert_event(user_id="usr_bob")) == []
    assert api.tell(alert_event(2, user_id="usr_gone")) == []
    assert api.mails() == []
    assert len(api.inbox("bob")) == 1


def test_a_channel_that_fails_costs_the_others_nothing_and_is_tried_again_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_device(api)
    real = botocore.client.BaseClient._make_api_call

    def failing(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "SendEmail":
            raise ConnectionError("no carrier")
        return real(client, operation, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", failing)
        assert api.tell(alert_event()) == ["m-1"]
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (1, 0, 1)
    assert api.tell(alert_event()) == []
    assert (len(api.inbox()), len(api.mails()), len(api.pushes())) == (1, 1, 1)


def test_a_process_that_dies_while_it_sends_leaves_a_claim_that_ends(api: Api) -> None:
    """At least once: whether the mail had left is not known, so it is sent (again) when the claim is over."""
    event = alert_event()
    claimed = marks.claim("usr_ada", event["detail"]["event_id"], Channel.EMAIL, now=api.clock.now.timestamp())
    assert claimed is not None
    assert api.tell(event) == ["m-1"]
    api.clock.tick(seconds=marks.CLAIM_SECONDS + 1)
    assert api.tell(event) == []
    assert len(api.mails()) == 1


def test_a_claim_of_a_clock_that_was_ahead_holds_nobody_up(api: Api) -> None:
    event = alert_event()
    marks.claim("usr_ada", event["detail"]["event_id"], Channel.EMAIL, now=api.clock.now.timestamp() + 10**6)
    assert api.tell(event) == []
    assert len(api.mails()) == 1


def test_an_inbox_is_read_one_by_one_or_all_and_counts_what_is_unread(api: Api) -> None:
    for number in range(5):
        api.clock.tick(seconds=1)
        api.tell(alert_event(number))
    first = api("list_notifications", "ada", query="limit=2").json
    assert first["unread"] == 5
    second = api("list_notifications", "ada", query=f"limit=3&cursor={first['next_cursor']}").json
    assert second["next_cursor"] is None
    ids = [one["notification_id"] for one in first["notifications"] + second["notifications"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 5
    for _ in range(2):
        assert api("read_notification", "ada", path={"notification_id": ids[1]}).json["read"] is True
    page = api("list_notifications", "ada").json
    assert (page["unread"], [one["read"] for one in page["notifications"]]) == (4, [False, True, False, False, False])
    assert api("read_all_notifications", "ada").json == {"marked": 4}
    assert api("read_all_notifications", "ada").json == {"marked": 0}
    assert api("list_notifications", "ada").json["unread"] == 0


def test_another_users_notification_is_no_notification(api: Api) -> None:
    api.tell(alert_event())
    path = {"notification_id": api.inbox()[0]["notification_id"]}
    assert api("read_notification", "bob", path=path).status == 404
    assert api.inbox("bob") == []
    assert api("read_notification", "nobody", path=path).status == 401
    assert api("read_notification", "bare", path=path).status == 403
    assert api("list_notifications", "ada").json["unread"] == 1


def test_what_is_over_its_retention_is_not_shown_though_it_is_stored(api: Api) -> None:
    api.tell(alert_event())
    path = {"notification_id": api.inbox()[0]["notification_id"]}
    api.clock.tick(days=90, seconds=1)
    assert api("list_notifications", "ada").json == {"notifications": [], "unread": 0, "next_cursor": None}
    assert api("read_notification", "ada", path=path).status == 404


def test_a_device_is_subscribed_and_unsubscribed_behind_the_request(api: Api) -> None:
    body = {"endpoint": "https://push.example.com/ada"}
    made = api("add_device", "ada", body=body)
    assert (made.status, made.json["linked"]) == (201, False)
    api.relay()
    assert api("add_device", "ada", body=body).status == 200
    (device,) = api("list_devices", "ada").json["devices"]
    assert (device["linked"], device["device_id"]) == (True, made.json["device_id"])
    path = {"device_id": device["device_id"]}
    assert api("remove_device", "bob", path=path).status == 404
    assert api("remove_device", "ada", path=path).status == 204
    assert api("list_devices", "ada").json["devices"] == []
    api.relay()
    assert api("remove_device", "ada", path=path).status == 404
    from moto.sns.models import sns_backends

    subscriptions = sns_backends["123456789012"]["us-east-1"].subscriptions
    assert [one for one in subscriptions.values() if one.endpoint == body["endpoint"]] == []


def test_a_device_that_is_wanted_again_before_it_was_gone_stays(api: Api) -> None:
    path = {"device_id": with_device(api)}
    api("remove_device", "ada", path=path)
    api("add_device", "ada", body={"endpoint": "https://push.example.com/ada"})
    api.relay()
    assert [one["linked"] for one in api("list_devices", "ada").json["devices"]] == [True]
    api.tell(alert_event())
    assert len(api.pushes()) == 1


def test_a_user_has_so_many_devices(api: Api) -> None:
    made = [api("add_device", "bob", body={"endpoint": f"https://push.example.com/{n}"}) for n in range(11)]
    assert [one.status for one in made] == [201] * 10 + [409]
    api("remove_device", "bob", path={"device_id": made[0].json["device_id"]})
    api.relay()
    assert api("add_device", "bob", body={"endpoint": "https://push.example.com/10"}).status == 201
    for endpoint in ("http://push.example.com/", "https://user@push.example.com/", "https:///x", "https://a b/"):
        assert api("add_device", "bob", body={"endpoint": endpoint}).status == 422


ALERT = {
    "user_id": "usr_ada",
    "alert_config": {"gpu_type": "A100", "max_price": 1.5, "channels": ["email", "inbox", "websocket"]},
    "triggered_offer": {"offer_id": "vastai-x", "provider": "vastai", "price": 1.4, "gpu_count": 2},
}


def test_a_service_has_a_user_told_of_an_alert_once_for_a_key(api: Api) -> None:  # (306)
    first = api("notify_price_alert", "service", body=ALERT, idempotency_key="k-1")
    assert first.status == 202
    assert first.json["channels"] == {"inbox": "queued", "email": "queued", "push": "off"}
    assert api("notify_price_alert", "service", body=ALERT, idempotency_key="k-1").json == first.json
    api.relay()
    api.relay()
    (notification,) = api.inbox()
    assert notification["event_id"] == first.json["event_id"]
    assert notification["text"].startswith("2x A100 at vastai costs $1.40 per GPU-hour now")
    assert len(api.mails()) == 1
    other = api("notify_price_alert", "service", body=ALERT | {"user_id": "usr_bob"}, idempotency_key="k-1")
    assert (other.status, other.json["type"].rpartition("#")[2]) == (422, "idempotency-key-reused")
    assert api("notify_price_alert", "service", body=ALERT).json["event_id"] != first.json["event_id"]


@pytest.mark.parametrize("change", ["ready", {"from": "provisioning", "to": "ready", "detail": "Two instances run."}])
def test_a_service_has_a_user_told_what_became_of_a_rental(api: Api, change: Any) -> None:  # (307)
    body = {"user_id": "usr_bob", "rental_id": "ren_1", "status_change": change}
    answer = api("notify_rental_status", "service", body=body)
    assert answer.json["channels"] == {"inbox": "queued", "email": "unreachable", "push": "queued"}
    api.relay()
    (notification,) = api.inbox("bob")
    assert notification["text"].startswith("Rental ren_1 is ready now")
    assert api.mails() == []


def test_internal_requests_are_for_services_and_validated(api: Api) -> None:
    for who, status in {"nobody": 401, "ada": 403, "other service": 403}.items():
        assert api("notify_price_alert", who, body=ALERT).status == status
        assert api("notify_rental_status", who, body={}).status == status
    assert api("notify_price_alert", "service", body=ALERT | {"user_id": "usr_gone"}).status == 404
    for body in ({}, ALERT | {"more": 1}, ALERT | {"alert_config": {"gpu_type": "A100"}}):
        assert api("notify_price_alert", "service", body=body).status == 422
    assert api("notify_rental_status", "service", body={"user_id": "usr_ada", "rental_id": "r"}).status == 422
    assert api.facts() == []


def test_topics_are_named_after_their_users(api: Api) -> None:
    with_device(api)
    from moto.sns.models import sns_backends

    assert list(sns_backends["123456789012"]["us-east-1"].topics) == [f"{TOPICS}usr_ada"]
