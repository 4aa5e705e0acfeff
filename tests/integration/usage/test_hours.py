"""Hours in the table, and what others read of them. # 423, 425, 428, 457"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpubroker.kernel.caller import Caller, Role
from gpubroker.usage import reading, watermarks
from gpubroker.usage.access import UsageNotFound
from gpubroker.usage.counted import CountedHours
from gpubroker.usage.current import CurrentUsage
from gpubroker.usage.event import moment_text
from gpubroker.usage.hours import StoredHours
from gpubroker.usage.stream import PARTITIONS
from tests.integration.usage.conftest import HOUR_MS, count
from tests.unit.usage.folding import NOON, usage

ONE = datetime.fromtimestamp(NOON / 1000, UTC)
ADMIN = Caller(Role.ADMIN, subject="usr_admin", tenant="usr_admin")
SERVICE = Caller(Role.SERVICE, subject="portal", tenant="portal")
OURS = Caller(Role.USER, subject="usr_1", tenant="usr_1")
OTHER = Caller(Role.USER, subject="usr_2", tenant="usr_2")


def current(after_s: int) -> CurrentUsage:
    return CurrentUsage(lambda: ONE + timedelta(seconds=after_s))


def test_an_hour_comes_back_as_it_was_written_and_only_its_next_version_is_taken(table: Any) -> None:
    count([usage(slot * 30, memory_gb=4, event_id=f"e{slot}") for slot in range(3)] + [usage(0, instance="other")])
    key = ("usr_1", "box", NOON)
    stored = StoredHours().read([key, ("usr_1", "nothing", NOON)])
    assert list(stored) == [key]
    assert (stored[key].version, len(stored[key].ids)) == (1, 24)
    assert StoredHours().write({key: stored[key]}) == {key: None}, "somebody wrote this version before"
    item = table.get_item(Key={"pk": "usr_1#USAGE#2026-11-25", "sk": "12#box"})["Item"]
    assert int(item["expires_at"]) == (NOON + HOUR_MS) // 1000 + 400 * 86_400  # (432)


def test_billing_reads_every_hour_of_a_user_with_meters_events_and_revision(table: Any) -> None:
    count([usage(0, org="org_1", storage_gb=100, cpu_seconds=12.5), usage(30, gpu_seconds=30)])
    count([usage(3600, 30, network_egress_mb=1.5), usage(7200, 30), usage(-3600, 30), usage(0, user="usr_2")])
    count([usage(60, gpu_seconds=30)])
    found = list(reading.hours_of_user("usr_1", ONE, ONE + timedelta(hours=2)))
    assert [(one.hour.hour, one.org_id, one.events, one.revision) for one in found] == [
        (12, None, 2, 2),
        (12, "org_1", 1, 2),
        (13, None, 1, 1),
    ]
    assert found[0].metrics == {"gpu_seconds": 60}
    assert found[1].metrics == {"storage_gb_hours": Decimal(100) * 30 / 3600, "cpu_seconds": Decimal("12.5")}
    assert found[2].metrics == {"network_egress_mb": Decimal("1.5")}
    assert len(list(reading.hours_of_user("usr_1", ONE - timedelta(days=2), ONE + timedelta(days=2)))) == 5


def test_the_events_of_an_hour_can_be_read_again_with_their_ids(table: Any) -> None:
    """428"""
    count([usage(30, event_id="mine"), usage(0, org="org_1")])
    shown = reading.events_of("box", ONE)
    assert [one["period"]["start"] for one in shown] == [moment_text(NOON), moment_text(NOON + 30_000)]
    assert (shown[0]["org_id"], shown[1]["event_id"], shown[0]["user_id"]) == ("org_1", "mine", "usr_1")
    assert shown == reading.events_of("box", ONE, "usr_1")
    assert reading.events_of("box", ONE, "usr_2") == []


def test_current_usage_is_the_last_event_for_who_may_see_it(table: Any) -> None:
    count([usage(slot * 30, gpu_seconds=30, memory_gb=slot) for slot in range(4)])
    for caller in (OURS, ADMIN, SERVICE):
        seen = current(130).of_instance(caller, "box")
        assert seen.reporting
        assert seen.metrics is not None
        assert (seen.metrics.memory_gb, seen.metrics.cpu_seconds) == (3, None)
        assert seen.last_event_at == moment_text(NOON + 120_000)
    for caller, instance in ((OTHER, "box"), (OURS, "nothing"), (ADMIN, "nothing")):
        with pytest.raises(UsageNotFound):
            current(130).of_instance(caller, instance)


def test_an_instance_that_fell_silent_has_no_current_usage_and_says_since_when(table: Any) -> None:
    count([usage(0)])
    seen = current(3600).of_instance(OURS, "box")
    assert (seen.reporting, seen.metrics, seen.last_event_at) == (False, None, moment_text(NOON + 30_000))
    assert current(3600).of_user(OURS, "usr_1", 10).instance_count == 0


def test_current_usage_of_a_user_is_all_instances_that_report(table: Any) -> None:
    count(
        [usage(slot * 30, instance=f"box{number}", gpu_seconds=30, memory_gb=2, memory_percent=number * 10)
         for slot in range(2) for number in range(3)]
        + [usage(-3600, instance="old"), usage(0, user="usr_2", instance="theirs")]
    )  # fmt: skip
    seen = current(70).of_user(OURS, "usr_1", 2)
    assert seen.instance_count == 3
    assert [one.instance_id for one in seen.instances] == ["box0", "box1"]
    assert (seen.totals.gpu_seconds, seen.totals.memory_gb, seen.totals.memory_percent) == (90, 6, 10)
    with pytest.raises(UsageNotFound):
        current(70).of_user(OTHER, "usr_1", 10)


def test_just_after_the_full_hour_the_last_event_is_in_the_hour_before(table: Any) -> None:
    count([usage(3570, 30)])
    assert current(3605).of_user(OURS, "usr_1", 10).instance_count == 1
    assert current(3605).of_instance(OURS, "box").reporting


def test_an_instance_that_went_to_another_user_is_seen_by_each_for_their_own_time(table: Any) -> None:
    count([usage(0), usage(3600, user="usr_2")])
    assert current(3700).of_instance(OURS, "box").last_event_at == moment_text(NOON + 30_000)
    assert current(3700).of_instance(OTHER, "box").last_event_at == moment_text(NOON + 3_630_000)
    assert current(3700).of_instance(ADMIN, "box").user_id == "usr_2"


def test_what_is_counted_is_known_to_who_sends_it_again(table: Any) -> None:
    """457: repeats, other content, overlaps, an id of another period; also over the full hour."""
    count([usage(0, event_id="one"), usage(3590, 30)])
    sent = [
        usage(0, event_id="one"),
        usage(0, gpu_seconds=1, event_id="one"),
        usage(15),
        usage(60, event_id="one"),
        usage(3600, 30),
        usage(3620, 30),
        usage(3580, 30, instance="another"),
    ]
    repeated, wrong = CountedHours(StoredHours()).against(sent)
    assert repeated == {0}
    assert {index: one.field for index, one in wrong.items()} == {1: "period", 2: "period", 3: "event_id", 4: "period"}


def test_complete_is_what_every_partition_has_reached(table: Any) -> None:
    assert reading.complete_until() is None
    hours = StoredHours()
    hours.reached({f"u{number:02d}": NOON + number for number in range(PARTITIONS - 1)}, "shard-0")
    assert reading.complete_until() is None, "a partition that never told anything is not complete"
    hours.reached({f"u{PARTITIONS - 1:02d}": NOON + 60_000}, "shard-1")
    assert watermarks.complete_until_ms() == NOON
    hours.reached({"u00": NOON + 30_000}, "shard-1")  # after a split: another shard has it now
    assert watermarks.complete_until_ms() == NOON + 1
    assert watermarks.complete_until_ms(organisation=True) is None
    watermarks.note_sweep(NOON)
    assert watermarks.complete_until_ms(organisation=True) == NOON - watermarks.TOTALS_LAG_MS
