"""Facts on the bus, counted once, in the administrators' report of their day."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local import aws
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually
from tests.unit.management.economics.facts import SELLER, posted, settled


def told(cloud: LocalCloud, *events: dict[str, Any]) -> None:
    """On the bus, as the relays of their contexts put them there."""
    entries = [
        {
            "EventBusName": cloud.environment["stack"]["outputs"]["EventBusName"],
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        for event in events
    ]
    bus = aws.client("events", cloud.environment["aws_endpoint_url"])
    assert bus.put_events(Entries=entries)["FailedEntryCount"] == 0


def test_the_economy_of_a_day_is_counted_once_and_shown_to_administrators(cloud: LocalCloud) -> None:  # (450)
    day = datetime.now(UTC).date() - timedelta(days=200)  # long before anything else happened here
    at, mark = f"{day}T10:00:00.000Z", time.time_ns()
    facts = [
        posted((f"usr_e2e{mark}", "escrow:e2e", 1_000_000), event_id=f"evt_t{mark}", at=at),
        posted((SELLER, "house:clearing", 990_050), event_id=f"evt_p{mark}", at=at),
        settled(f"evt_s{mark}", at=at),
    ]
    told(cloud, *facts)
    told(cloud, *facts)  # the bus delivers at least once
    query = {"since": str(day), "until": str(day + timedelta(days=1))}
    path = "/api/management/integration/economics"
    with client(cloud.environment, "admin") as admin, client(cloud.environment, "enterprise") as user:

        def totals() -> dict[str, Any]:
            answer = admin.get(path, params=query)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()["totals"]
            return found

        eventually(totals, lambda seen: seen["settlements"] == 1 and seen["transfers"] == 2, seconds=40)
        told(cloud, settled(f"evt_last{mark}", at=at))  # what would have been counted twice is counted by then
        seen = eventually(totals, lambda seen: seen["settlements"] == 2, seconds=40)
        assert (seen["grossVolume_micros"], seen["spending_micros"], seen["payouts_micros"]) == (
            2_000_000,
            1_000_000,
            990_050,
        )
        assert (seen["feesEarned_micros"], seen["transfers"]) == (19_900, 2)
        (period,) = admin.get(path, params=query).json()["periods"]
        assert period["activePayers"] == 1
        refused = user.get(path, params=query)
        assert (refused.status_code, refused.json()["success"]) == (403, False)
