"""Totals by hour, day and month, of instances, users and organisations. # 429-431"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.usage import pending, totals
from gpubroker.usage.access import UsageNotFound
from gpubroker.usage.changes import note_changes
from gpubroker.usage.event import Usage, moment_text
from gpubroker.usage.history import History
from gpubroker.usage.requests import HistoryFields
from gpubroker.usage.totals import Totals
from gpubroker.usage.views import HistoryView, PointView
from tests.integration.conftest import REGION
from tests.integration.usage.conftest import HOUR_MS, count
from tests.integration.usage.test_hours import ADMIN, ONE, OTHER, OURS
from tests.unit.usage.folding import NOON, usage

DAY_S = 86_400


class Members:
    """usage.ports.Organisations: usr_1 is a member of org_1."""

    def may_see_usage(self, caller: Caller, org_id: str) -> bool:
        return (caller.tenant, org_id) == ("usr_1", "org_1")


class Clock:
    def __init__(self) -> None:
        self.now = ONE

    def set(self, seconds: float) -> None:
        self.now = ONE + timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        return self.now

    @property
    def ms(self) -> int:
        return int(self.now.timestamp() * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def images(user_id: str, events: Iterable[Usage]) -> list[dict[str, Any]]:
    """What the table's stream tells of the hours of a user that these events are in."""
    client = boto3.client("dynamodb", region_name=REGION)
    found = []
    for day in sorted({moment_text(one.start_ms)[:10] for one in events}):
        answer = client.query(
            TableName="usage",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"{user_id}#USAGE#{day}"}},
        )
        found += [
            {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "1", "NewImage": item}} for item in answer["Items"]
        ]
    return found


def counted_and_noted(clock: Clock, *events: Usage) -> None:
    count(events)
    for user_id in sorted({one.user_id for one in events}):
        note_changes(images(user_id, [one for one in events if one.user_id == user_id]), clock.ms)


def sweep(clock: Clock) -> dict[str, int]:
    return Totals(lambda: clock.ms).sweep()


def of_user(clock: Clock, granularity: str = "hour", user_id: str = "usr_1", **asked: Any) -> HistoryView:
    wanted = HistoryFields(granularity=granularity, **asked)
    return History(Members(), clock).of_user(ADMIN, user_id, wanted)


def full(view: HistoryView) -> list[PointView]:
    return [point for point in view.points if not point.gap]


def test_a_users_present_hour_is_added_up_at_once_and_its_last_hours_are_kept(table: Any, clock: Clock) -> None:
    counted_and_noted(clock, usage(0), usage(0, instance="box2", memory_gb=4), usage(30))
    clock.set(100)
    (point,) = full(of_user(clock))
    assert (point.events, point.instances, point.metrics["gpu_seconds"], point.complete) == (3, 2, 60, False)
    assert sweep(clock) == {"made": 0, "failed": 0}, "it is not over"
    clock.set(3600 + 121)
    assert sweep(clock) == {"made": 1, "failed": 0}
    assert table.get_item(Key={"pk": "usr_1#TOTALS", "sk": "HOUR#2026-11-25T12"})["Item"]["instances"] == 2
    (point,) = full(of_user(clock))
    assert point.metrics == {"gpu_seconds": 60, "memory_gb": 4, "memory_gb_hours": 0.033333}
    assert point.highest == {"memory_gb": 4}


def test_an_event_that_comes_late_is_in_its_hour_its_day_and_its_month(table: Any, clock: Clock) -> None:
    counted_and_noted(clock, usage(0))
    clock.set(2 * 3600)
    sweep(clock)
    clock.set(3 * 3600)
    counted_and_noted(clock, usage(30))
    for granularity in ("hour", "day", "month"):
        (point,) = full(of_user(clock, granularity))
        assert point.metrics["gpu_seconds"] == 60, f"{granularity}: it is pending, so it is added up"
    assert sweep(clock)["made"] == 1
    clock.set(30 * 3600)
    for granularity in ("hour", "day", "month"):
        (point,) = full(of_user(clock, granularity, start=ONE - timedelta(days=1)))
        assert point.metrics["gpu_seconds"] == 60, granularity


def test_making_a_total_twice_or_from_two_sides_adds_nothing_twice(table: Any, clock: Clock) -> None:
    counted_and_noted(clock, usage(0, org="org_1"), usage(30, org="org_1"))
    clock.set(2 * 3600)
    for _ in range(3):
        pending.mark("usr_1", "HOUR#2026-11-25T12", clock.ms)
        sweep(clock)
        clock.set(2 * 3600 + 60)
        sweep(clock)
    for name in ("usr_1#TOTALS", "org_1#ORG#TOTALS"):
        item = table.get_item(Key={"pk": name, "sk": "DAY#2026-11-25"})["Item"]
        assert (
            totals.Total.of(totals.TotalItem(**{k: v for k, v in item.items() if k in ("pk", "sk", "sums")}))
            .all()
            .events
            == 2
        )


def test_what_changes_while_its_total_is_made_stays_pending(
    table: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_and_noted(clock, usage(0))
    clock.set(2 * 3600)
    real = totals.hour_total

    def meanwhile(user_id: str, hour_ms: int) -> totals.Total:
        total = real(user_id, hour_ms)
        monkeypatch.setattr(totals, "hour_total", real)
        counted_and_noted(clock, usage(30))
        return total

    monkeypatch.setattr(totals, "hour_total", meanwhile)
    sweep(clock)
    assert full(of_user(clock))[0].events == 2
    assert sweep(clock)["made"] == 1
    assert totals.stored("usr_1", "HOUR#2026-11-25T12").all().events == 2  # type: ignore[union-attr]


def test_one_of_two_that_make_the_same_total_at_once_gives_way(
    table: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_and_noted(clock, usage(0))
    clock.set(2 * 3600)
    real = totals.hour_total

    def beaten(user_id: str, hour_ms: int) -> totals.Total:
        total = real(user_id, hour_ms)
        monkeypatch.setattr(totals, "hour_total", real)
        Totals(lambda: clock.ms).make("usr_1#PENDING", "HOUR#2026-11-25T12")
        pending.mark("usr_1", "HOUR#2026-11-25T12", clock.ms)
        return total

    monkeypatch.setattr(totals, "hour_total", beaten)
    assert sweep(clock) == {"made": 0, "failed": 1}
    assert sweep(clock)["made"] == 1


def test_an_organisation_is_all_that_its_users_use_for_it(table: Any, clock: Clock) -> None:
    """430"""
    counted_and_noted(
        clock,
        usage(0, org="org_1"),
        usage(30),
        usage(0, user="usr_2", instance="box2", org="org_1"),
        usage(0, user="usr_2", instance="box3", org="org_2"),
    )
    clock.set(301)
    assert sweep(clock)["made"] == 2, "what an organisation pays for is due after five minutes"
    sweep(clock)
    history = History(Members(), clock)
    seen = history.of_organisation(OURS, "org_1", HistoryFields())
    (point,) = full(seen)
    assert (point.events, point.instances, point.metrics["gpu_seconds"]) == (2, 2, 60)
    assert (seen.scope, seen.id, seen.last_event_at) == ("organization", "org_1", moment_text(NOON + 60_000))
    for caller, org in ((OTHER, "org_1"), (OURS, "org_2")):
        with pytest.raises(UsageNotFound):
            history.of_organisation(caller, org, HistoryFields())
    (point,) = full(history.of_organisation(ADMIN, "org_2", HistoryFields(granularity="month")))
    assert point.metrics == {"gpu_seconds": 30}


def test_an_instances_days_are_kept_when_they_are_over(table: Any, clock: Clock) -> None:
    """429: its hours may be gone by then, its days stay."""
    counted_and_noted(clock, *(usage(3600 * hour, 3600, storage_gb=10) for hour in range(-30, 6)))
    history = History(Members(), clock)
    clock.set(5 * 3600 + 3599)
    days = full(history.of_instance(OURS, "box", HistoryFields(granularity="day")))
    assert [point.metrics["storage_gb_hours"] for point in days] == [180, 180]
    clock.set(DAY_S)
    while sweep(clock)["made"]:
        clock.now += timedelta(minutes=1)
    for hour in range(-30, 6):
        text = moment_text(NOON + hour * HOUR_MS)
        table.delete_item(Key={"pk": f"usr_1#USAGE#{text[:10]}", "sk": f"{text[11:13]}#box"})
    counted_and_noted(clock, usage(DAY_S - 60))  # so that it is known whose it is
    days = full(history.of_instance(OURS, "box", HistoryFields(granularity="day")))
    assert [point.metrics.get("storage_gb_hours") for point in days] == [180, 180, None]
    (month,) = full(history.of_instance(OURS, "box", HistoryFields(granularity="month")))
    assert (month.metrics["storage_gb_hours"], month.metrics["storage_gb"], month.events) == (360, 10, 37)


def test_gaps_are_shown_as_gaps_and_silence_is_not_complete(table: Any, clock: Clock) -> None:
    counted_and_noted(clock, usage(0), usage(2 * 3600))
    clock.set(3 * 3600 + 5)
    seen = History(Members(), clock).of_instance(OURS, "box", HistoryFields(start=ONE, metrics=["gpu_seconds"]))
    assert [(point.gap, point.events, point.metrics) for point in seen.points] == [
        (False, 1, {"gpu_seconds": 30}),
        (True, 0, {}),
        (False, 1, {"gpu_seconds": 30}),
        (True, 0, {}),
    ]
    assert (seen.gaps, seen.complete_until) == (2, None)
    assert not any(point.complete for point in seen.points)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"start": ONE + timedelta(days=2)}, "start"),
        ({"start": ONE - timedelta(days=32)}, "start"),
        ({"granularity": "day", "start": ONE - timedelta(days=401)}, "start"),
        ({"granularity": "month", "start": ONE - timedelta(days=1200)}, "start"),
        ({"start": datetime(2019, 1, 1, tzinfo=UTC)}, "start"),
        ({"start": ONE - timedelta(days=402), "end": ONE - timedelta(days=401)}, "start"),
    ],
)
def test_a_range_that_makes_no_sense_or_too_many_steps_is_refused(
    table: Any, clock: Clock, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        of_user(clock, **{"granularity": "hour", **asked})
    assert refused.value.fields[0].field == field


def test_another_users_usage_is_not_there(table: Any, clock: Clock) -> None:
    counted_and_noted(clock, usage(0))
    history = History(Members(), clock)
    clock.set(60)
    with pytest.raises(UsageNotFound):
        history.of_user(OTHER, "usr_1", HistoryFields())
    with pytest.raises(UsageNotFound):
        history.of_instance(OTHER, "box", HistoryFields())


def test_noting_a_going_hour_again_costs_no_write(table: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[str] = []
    real = pending.mark
    monkeypatch.setattr(pending, "mark", lambda owner, sk, due: (marked.append(sk), real(owner, sk, due)))
    for slot in range(5):
        counted_and_noted(clock, usage(slot * 30))
    assert marked == ["HOUR#2026-11-25T12"]
