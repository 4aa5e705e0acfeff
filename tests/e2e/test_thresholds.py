"""From a threshold made over HTTP, by usage events in the stream, to the inbox, the mail and the called address."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks import Webhook

from gpubroker.kernel.time import iso
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually
from tests.e2e.people import mails_to, somebody
from tests.e2e.receivers import receiving

SECONDS = 40.0


def event(user_id: str, number: int, storage_gb: float, since: datetime) -> dict[str, Any]:
    """The seed's event, of the period of that number."""
    end = since + timedelta(seconds=30 * number)
    return {
        "event_type": "resource_usage",
        "version": "1.0",
        "timestamp": iso(end),
        "user_id": user_id,
        "instance_id": f"instance-of-{user_id}",
        "metrics": {"cpu_seconds": 30, "storage_gb": storage_gb, "gpu_seconds": 0},
        "period": {"start": iso(end - timedelta(seconds=30)), "end": iso(end)},
    }


def test_a_threshold_is_told_once_for_each_crossing(cloud: LocalCloud) -> None:  # (426), (472), (473)
    with (
        receiving() as receiver,
        client(cloud.environment) as http,
        client(cloud.environment, "admin") as admin,
        client(cloud.environment, "service") as service,
    ):
        address, user_id, headers = somebody(cloud, http, "watched", seconds=SECONDS)
        wanted = {
            "resource_type": "storage",
            "threshold_type": "absolute",
            "threshold_value": 500,
            "units": "GB",
            "action": "notify",
            "user_id": user_id,
            "notification_channels": ["email", "api_callback"],
        }
        assert http.post("/api/v1/usage/thresholds", json=wanted, headers=headers).status_code == 403
        made = admin.post("/api/v1/usage/thresholds", json=wanted | {"callback_url": receiver.url})
        assert made.status_code == 201, made.text
        threshold = made.json()
        path = f"/api/v1/usage/thresholds/{threshold['threshold_id']}"

        since = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)

        def sent(*numbered: tuple[int, float]) -> None:
            events = [event(user_id, number, value, since) for number, value in numbered]
            answer = service.post("/api/v1/usage/events", json=events if len(events) > 1 else events[0])
            assert answer.status_code == 202, answer.text

        def inbox() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = http.get("/api/v2/notifications", headers=headers).json()["notifications"]
            return found

        sent((1, 480), (2, 500), (3, 512.3))
        sent((3, 512.3))  # senders repeat themselves
        sent((4, 530), (5, 540))
        first = eventually(inbox, bool, seconds=SECONDS)
        assert [one["text"] for one in first] == [
            f"Storage of instance instance-of-{user_id} was 512.3 GB at {iso(since + timedelta(seconds=90))}: "
            "over the threshold of 500 GB."
        ]

        # Another crossing, which comes last: what would have been told twice is there by then.
        sent((6, 499), (7, 501))
        eventually(inbox, lambda all_: len(all_) == 2, seconds=SECONDS)
        letters = eventually(
            lambda: [one for one in mails_to(cloud, address) if "Storage over 500 GB" in one["Subject"]],
            lambda all_: len(all_) == 2,
            seconds=SECONDS,
        )
        assert "512.3 GB" in letters[0]["BodyText"]
        calls = receiver.wait_for(2, seconds=SECONDS)
        told = [Webhook(threshold["callback_secret"]).verify(body, heard) for heard, body in calls]
        assert sorted(one["data"]["measured"] for one in told) == [501, 512.3]
        assert {json.loads(body)["type"] for _, body in calls} == {"usage_threshold"}
        crossings = admin.get(f"{path}/crossings").json()["crossings"]
        assert [one["measured"] for one in crossings] == [501, 512.3]
        assert {one["event_id"] for one in crossings} == {one["event_id"] for one in inbox()}

        assert admin.delete(path).status_code == 204
        assert admin.get(path).status_code == 404
