"""Each event counts once, whatever is sent twice, late, out of order or brought again. # 421, 428, 429, 457"""

import base64
import json
import random
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.usage.aggregation import HourKey
from gpubroker.usage.event import METRICS, Usage
from gpubroker.usage.hour import MOST_PIECES, Hour, Stored
from gpubroker.usage.stream import beats, packed, partition_of, unpacked
from tests.unit.usage.folding import NOON, Aside, Kept, record, records, take, usage

GPU = METRICS.index("gpu_seconds")
MEMORY = METRICS.index("memory_gb")
BOX: HourKey = ("usr_1", "box", NOON)


def sums(kept: Kept, key: HourKey = BOX, org: str = "") -> Any:
    return Hour(key[2], kept.hours[key]).sums[org]


@st.composite
def many(draw: st.DrawFn) -> list[Usage]:
    """Events that do not overlap: of some instances and hours, with gaps, ids, organisations, missing metrics."""
    events: list[Usage] = []
    for instance in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        moments = draw(st.lists(st.integers(-4000, 7000), min_size=2, max_size=14, unique=True))
        for start, end in pairwise(sorted(moments)):
            if draw(st.booleans()):
                continue
            metrics = {name: draw(st.integers(0, 50)) for name in METRICS if draw(st.booleans())}
            events.append(
                usage(
                    start,
                    min(end - start, 3600),
                    instance=instance,
                    org=draw(st.sampled_from([None, "org_1"])),
                    event_id=draw(st.sampled_from([None, f"{instance}{start}"])),
                    **(metrics or {"gpu_seconds": 1}),
                )
            )
    return events


@given(many(), st.data())
@settings(max_examples=150, deadline=None)
def test_order_repeats_and_batches_change_nothing(events: list[Usage], drawn: st.DataObject) -> None:
    plain = Kept()
    if events:
        take(plain, records(events))
    repeats = drawn.draw(st.lists(st.sampled_from(events))) if events else []
    shuffled = drawn.draw(st.permutations(events + repeats))
    other, at = Kept(), 0
    counted = 0
    while at < len(shuffled):
        size = drawn.draw(st.integers(1, len(shuffled)))
        some = shuffled[at : at + size]
        brought = records(some) if drawn.draw(st.booleans()) else [one for event in some for one in records([event])]
        account = take(other, brought)
        assert account.failed is None
        counted += account.counted
        at += size
    assert other.totals() == plain.totals()
    assert counted == len(events)
    blank = [event._replace(instance_id="", user_id="") for event in sorted(events, key=lambda one: one.start_ms)]
    kept = sorted((one for some in other.events().values() for one in some), key=lambda one: one.start_ms)
    assert sorted(kept, key=repr) == sorted(blank, key=repr), "the events themselves are kept, each once"


def test_an_hour_is_written_once_a_batch_however_many_events_it_has() -> None:
    kept = Kept()
    events = [usage(slot * 30, instance=f"box{number}") for slot in range(120) for number in range(5)]
    account = take(kept, records(events))
    assert (account.counted, account.hours, kept.writes) == (600, 5, 5)


def test_what_is_brought_again_writes_nothing() -> None:
    kept = Kept()
    brought = records([usage(slot * 30) for slot in range(10)])
    take(kept, brought)
    account = take(kept, brought)
    assert (account.counted, account.repeated, kept.writes) == (0, 10, 1)


def test_two_equal_usages_of_different_periods_are_two() -> None:
    kept = Kept()
    take(kept, records([usage(0, gpu_seconds=5), usage(30, gpu_seconds=5)]))
    assert sums(kept).amounts[GPU] == 10_000_000


def test_the_same_period_with_other_content_is_a_conflict_that_shows_and_the_first_wins() -> None:
    kept = Kept()
    take(kept, records([usage(0, gpu_seconds=5)]))
    account = take(kept, records([usage(0, gpu_seconds=6)]))
    assert (account.counted, account.conflicts) == (0, 1)
    assert sums(kept).amounts[GPU] == 5_000_000
    take(kept, records([usage(0, gpu_seconds=6)]))
    assert len(kept.hours[BOX].conflicts) == 1, "brought again it is the same conflict"


@pytest.mark.parametrize(("start", "length"), [(10, 30), (-10, 30), (5, 10), (-5, 60)])
def test_a_period_that_overlaps_is_not_counted(start: int, length: int) -> None:
    kept = Kept()
    take(kept, records([usage(600, 30)]))
    account = take(kept, records([usage(600 + start, length)]))
    assert (account.counted, account.conflicts) == (0, 1)


def test_an_event_id_with_another_period_is_a_conflict() -> None:
    kept = Kept()
    take(kept, records([usage(0, event_id="one")]))
    assert take(kept, records([usage(60, event_id="one")])).conflicts == 1
    assert take(kept, records([usage(60, event_id="two")])).counted == 1


def test_an_event_belongs_to_the_hour_in_which_its_period_begins() -> None:
    kept = Kept()
    take(kept, records([usage(3585, 30), usage(-3600, 3600)]))
    assert {key[2] for key in kept.hours} == {NOON, NOON - 3_600_000}
    assert sums(kept).covered_ms == 30_000


def test_levels_count_as_long_as_their_period_and_what_was_not_measured_is_not_zero() -> None:
    kept = Kept()
    take(kept, records([usage(0, 30, memory_gb=4), usage(30, 90, memory_gb=8), usage(120, 30, gpu_seconds=30)]))
    told = sums(kept)
    assert told.amounts[MEMORY] == (4 * 30 + 8 * 90) * 1000 * 1_000_000
    assert (told.measured[MEMORY], told.highest[MEMORY]) == (120_000, 8_000_000)
    assert (told.events, told.covered_ms) == (3, 150_000)


def test_an_hour_of_many_small_batches_stays_small_and_whole() -> None:
    kept = Kept()
    for slot in range(120):
        take(kept, records([usage(slot * 30, memory_gb=slot % 7, gpu_seconds=30)]))
    stored = kept.hours[BOX]
    assert len(stored.pieces) <= MOST_PIECES
    assert len(kept.events()[BOX]) == 120
    assert len(b"".join(stored.pieces)) + len(stored.periods) < 8_000
    again = [usage(slot * 30, memory_gb=slot % 7, gpu_seconds=30) for slot in range(120)]
    assert take(kept, records(again)).repeated == 120


def test_an_hour_that_is_full_takes_no_more_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would grow over what an item may hold, and every batch with it would fail for ever."""
    monkeypatch.setattr("gpubroker.usage.hour.MOST_BYTES", 400)
    kept = Kept()
    for slot in range(10):
        account = take(kept, records([usage(slot * 30)]))
    assert (account.conflicts, account.failed) == (1, None)
    assert "the hour is full" in kept.hours[BOX].conflicts


def test_an_event_a_second_fits_into_an_hour() -> None:
    kept = Kept()
    for at in range(0, 3600, 60):
        events = [usage(at + second, 1, event_id=f"{at + second:064d}", memory_gb=second) for second in range(60)]
        assert take(kept, records(events)).counted == 60
    stored = kept.hours[BOX]
    assert len(stored.periods) + len(stored.ids) + sum(map(len, stored.pieces)) < 300_000


def test_another_writer_costs_a_second_look_and_no_event() -> None:
    class Beaten(Kept):
        def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
            if BOX not in self.hours:  # somebody was first, with an event of their own
                other = Kept()
                take(other, records([usage(0)]))
                self.hours[BOX] = other.hours[BOX]
            return super().write(hours)

    kept = Beaten()
    account = take(kept, records([usage(30)]))
    assert (account.counted, account.failed) == (1, None)
    assert sums(kept).events == 2


def test_an_hour_that_cannot_be_written_brings_the_batch_again_from_its_first_record() -> None:
    class Away(Kept):
        away = True

        def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
            if not self.away:
                return super().write(hours)
            rest = {key: stored for key, stored in hours.items() if key[1] != "b"}
            return {**super().write(rest), **{key: OSError("throttled") for key in hours if key[1] == "b"}}

    kept = Away()
    brought = [
        *records([usage(0, instance="a")], first=0),
        *records([usage(0, instance="b")], first=1),
        *records([usage(0, instance="c")], first=2),
    ]
    account = take(kept, brought)
    assert account.failed == "1"
    assert {key[1] for key in kept.hours} == {"a", "c"}
    kept.away = False
    account = take(kept, brought[1:])
    assert (account.counted, account.repeated, account.failed) == (1, 1, None)


def test_what_cannot_be_read_goes_aside_whole_and_delays_nobody() -> None:
    kept, aside = Kept(), Aside()
    good = records([usage(0)], first=3)
    wrong = [
        record("u00", b"\x00\x01", 0),
        record("u00", b'{"v": 9}', 1),
        record("u00", b"\xff" * 10, 2),
    ]
    account = take(kept, [*wrong, *good], aside)
    assert (account.counted, account.unreadable, account.failed) == (1, 3, None)
    assert [what["sequence_number"] for what in aside.put_aside] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_seconds": [-1]},
        {"cpu_percent_avg": [100_000_001]},
        {"gpu_seconds": [1.5]},
        {"gpu_seconds": [True]},
        {"gpu_seconds": [1, 2]},
        {"length": [0]},
        {"length": [3_600_001]},
        {"start": [NOON + 10 * 3_600_000]},
        {"start": [NOON - 40 * 86_400_000]},
        {"series": [["box", "usr_1", None, 2]]},
        {"series": [["", "usr_1", None, 1]]},
        {"event_id": [5]},
        {"received_at": "now"},
    ],
)
def test_a_record_with_one_wrong_value_is_not_counted(change: dict[str, Any]) -> None:
    """# 458-461, once more behind the stream."""
    (one,) = records([usage(0)])
    columns = orjson.loads(base64.b64decode(one["kinesis"]["data"])) | change
    kept, aside = Kept(), Aside()
    account = take(kept, [record("u00", orjson.dumps(columns), 0)], aside)
    assert (account.counted, account.unreadable) == (0, 1)
    assert kept.hours == {}


def test_the_seeds_own_shape_is_read_as_well_and_one_wrong_event_costs_no_other() -> None:
    """# 454-456"""
    shown = {
        "event_type": "resource_usage",
        "version": "1.0",
        "timestamp": "2026-11-25T12:00:30Z",
        "user_id": "usr_1",
        "instance_id": "box",
        "metrics": {"cpu_seconds": 30, "memory_gb": 4.2, "gpu_seconds": 0},
        "period": {"start": "2026-11-25T12:00:00Z", "end": "2026-11-25T12:00:30Z"},
    }
    kept, aside = Kept(), Aside()
    account = take(kept, [record("u00", json.dumps([shown, shown | {"version": "2.0"}]).encode(), 0)], aside)
    assert (account.counted, account.unreadable) == (1, 1)
    assert aside.put_aside[0]["events"][0]["version"] == "2.0"
    assert sums(kept).amounts[MEMORY] == 4_200_000 * 30_000


def test_heartbeats_say_how_far_everything_is_counted_and_no_further() -> None:
    kept = Kept()
    heart = [record(key, content, 10 + at) for at, (key, content) in enumerate(beats(NOON))]
    take(kept, [*records([usage(0)]), *heart])
    assert set(kept.beats.values()) == {NOON}
    assert len(kept.beats) == 32

    class Away(Kept):
        def write(self, hours: Mapping[HourKey, Stored]) -> Mapping[HourKey, Exception | None]:
            return {key: OSError("away") for key in hours}

    away = Away()
    account = take(away, [*records([usage(0)]), *heart])
    assert account.failed == "0"
    assert away.beats == {}


def test_a_record_reads_back_in_the_seeds_shape() -> None:
    """# 454-457"""
    events = [usage(0, cpu_seconds=30, memory_gb=4.2, org="org_1"), usage(30, event_id="mine", gpu_seconds=0)]
    ((_, content),) = packed(events, NOON)
    shown = sorted(unpacked(content), key=lambda one: one["period"]["start"])
    assert shown[0]["metrics"] == {"cpu_seconds": 30, "memory_gb": 4.2}
    assert shown[0]["event_id"].startswith("use_")
    assert shown[0]["org_id"] == "org_1"
    assert shown[1]["event_id"] == "mine"
    assert "org_id" not in shown[1]
    assert shown[1]["period"] == {"start": "2026-11-25T12:00:30Z", "end": "2026-11-25T12:01:00Z"}
    assert unpacked(next(content for _, content in beats(NOON))) == []


def test_all_events_of_an_instance_are_in_one_partition() -> None:
    many = [usage(slot * 30, instance=f"box{number}") for slot in range(3) for number in range(200)]
    for one in records(many):
        for shown in unpacked(base64.b64decode(one["kinesis"]["data"])):
            assert partition_of(shown["instance_id"]) == one["kinesis"]["partitionKey"]


def test_a_day_of_an_instance_in_another_order_with_repeats_has_the_same_totals() -> None:
    """A small version of tests/benchmarks/bench_usage.py: 20 instances for 24 hours."""
    chance = random.Random(5)
    events = [
        usage(
            slot * 30 - 86_400,
            instance=f"box{number}",
            user=f"usr_{number % 3}",
            gpu_seconds=30,
            memory_gb=chance.randrange(80),
        )
        for slot in range(2880)
        for number in range(20)
    ]
    first, second = Kept(), Kept()
    for at in range(0, len(events), 4000):
        take(first, records(events[at : at + 4000]))
    again = events + chance.sample(events, len(events) // 10)
    chance.shuffle(again)
    counted = 0
    for at in range(0, len(again), 4000):
        counted += take(second, records(again[at : at + 4000])).counted
    assert counted == len(events)
    assert first.totals() == second.totals()
    assert sum(Hour(key[2], one).sums[""].amounts[GPU] for key, one in first.hours.items()) == 20 * 86_400 * 1_000_000
    assert first.writes <= 20 * (24 + len(events) // 4000 + 1)
