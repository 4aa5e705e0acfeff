"""What is taken and what is refused, by index and field. # 454-461"""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.edge.inputs import parse_body
from gpubroker.kernel.errors import Invalid, Malformed
from gpubroker.usage.event import METRICS, Usage, moment_ms, moment_text
from gpubroker.usage.ingest import checked
from gpubroker.usage.requests import MOST_EVENTS, UsageEvents

NOW = datetime(2026, 7, 15, 14, 31, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SEED: dict[str, Any] = {
    "event_type": "resource_usage",
    "version": "1.0",
    "timestamp": "2026-07-15T14:30:00Z",
    "user_id": "user_123456",
    "org_id": "org_789012",
    "instance_id": "instance_abcdef",
    "metrics": {
        "cpu_seconds": 30,
        "cpu_percent_avg": 12.5,
        "memory_gb": 4.2,
        "memory_percent": 52.5,
        "storage_gb": 25.7,
        "network_egress_mb": 15.2,
        "network_ingress_mb": 8.7,
        "gpu_seconds": 0,
    },
    "period": {"start": "2026-07-15T14:29:30Z", "end": "2026-07-15T14:30:00Z"},
}
"""The seed's example event, three years later (economic-infrastructure-plan, "1. Usage Events")."""


def wrong_of(*sent: Any) -> list[tuple[int, str]]:
    return [(one.index, one.field) for one in checked(list(sent), NOW_MS)[1]]


def changed(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in (SEED | fields).items() if value is not ...}


def metered(**metrics: Any) -> dict[str, Any]:
    return changed(metrics=metrics)


def between(start: str, end: str, **fields: Any) -> dict[str, Any]:
    return changed(**({"timestamp": end, "period": {"start": start, "end": end}} | fields))


def test_the_seeds_event_is_taken_to_the_letter() -> None:
    events, wrong = checked([SEED], NOW_MS)
    assert wrong == []
    assert events == [
        Usage(
            "instance_abcdef",
            "user_123456",
            "org_789012",
            moment_ms("2026-07-15T14:29:30Z"),
            30_000,
            0,
            None,
            (30_000_000, 12_500_000, 4_200_000, 52_500_000, 25_700_000, 15_200_000, 8_700_000, 0),
        )
    ]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (changed(event_type="other"), "event_type"),
        (changed(version="2.0"), "version"),
        (changed(version=1.0), "version"),
        (changed(user_id=...), "user_id"),
        (changed(instance_id=""), "instance_id"),
        (changed(instance_id="a#b"), "instance_id"),
        (changed(event_id="a b"), "event_id"),
        (changed(colour="red"), "colour"),
        (changed(period=...), "period"),
        (changed(metrics={}), "metrics"),
        (metered(gpu_hours=1), "metrics.gpu_hours"),
        (metered(cpu_percent_avg=100.01), "metrics.cpu_percent_avg"),
        (metered(memory_percent=-0.1), "metrics.memory_percent"),
        (metered(memory_percent="50"), "metrics.memory_percent"),
        (metered(gpu_seconds=True), "metrics.gpu_seconds"),
        (metered(gpu_seconds=float("nan")), "metrics.gpu_seconds"),
        (metered(gpu_seconds=float("inf")), "metrics.gpu_seconds"),
        (metered(network_egress_mb=-1), "metrics.network_egress_mb"),
        (metered(storage_gb=1e7), "metrics.storage_gb"),
        (metered(memory_gb=1e300), "metrics.memory_gb"),
        (metered(memory_gb=0.1234567), "metrics.memory_gb"),
        (metered(gpu_seconds=30 * 1025), "metrics.gpu_seconds"),
        (metered(cpu_seconds=30 * 4097), "metrics.cpu_seconds"),
        (between("2026-07-15T14:30:00Z", "2026-07-15T14:30:00Z"), "period.end"),
        (between("2026-07-15T14:30:00Z", "2026-07-15T14:29:30Z"), "period.end"),
        (between("2026-07-15T13:00:00Z", "2026-07-15T14:00:00.001Z"), "period"),
        (between("2026-07-15T14:00:00Z", "2026-07-15T14:00:00.999Z"), "period"),
        (between("2026-07-15T14:29:30+02:00", "2026-07-15T14:30:00Z"), "period.start"),
        (between("2026-07-15 14:29:30Z", "2026-07-15T14:30:00Z"), "period.start"),
        (between("2026-07-15T14:29:30", "2026-07-15T14:30:00Z"), "period.start"),
        (between("2026-02-30T14:29:30Z", "2026-07-15T14:30:00Z"), "period.start"),
        (changed(timestamp="2026-07-15T14:29:29Z"), "timestamp"),
        (changed(timestamp=1_784_125_800), "timestamp"),
        (between("2026-07-15T14:36:00Z", "2026-07-15T14:36:01Z"), "period.end"),
        (changed(timestamp="2026-07-15T14:36:01Z"), "timestamp"),
        (between("2023-07-15T14:29:30Z", "2023-07-15T14:30:00Z"), "timestamp"),
        (between("2026-06-10T14:29:30Z", "2026-06-10T14:30:00Z"), "timestamp"),
        ("no event", "event"),
        (None, "event"),
        ([SEED], "event"),
    ],
)
def test_a_wrong_event_is_refused_with_the_name_of_the_field(event: Any, field: str) -> None:
    """458 percentages, 459 versions, 460 time, 461 amounts"""
    assert wrong_of(SEED, event) == [(1, field)]


@pytest.mark.parametrize(
    "event",
    [
        metered(cpu_seconds=30 * 64),  # (458) many cores
        metered(gpu_seconds=30 * 8),
        metered(cpu_percent_avg=0, memory_percent=100),
        metered(memory_gb=0.123456),
        changed(org_id=...),
        changed(org_id=None),
        changed(event_id="evt-1"),
        between("2026-07-15T14:30:30Z", "2026-07-15T14:36:00Z"),  # a clock five minutes ahead
        between("2026-06-11T00:00:00Z", "2026-06-11T01:00:00Z"),  # a month late
        changed(timestamp="2026-07-15T14:30:00.123456Z"),
        changed(timestamp="2026-07-15T14:30:00+00:00"),
        changed(timestamp="2026-07-15T14:29:45Z"),
    ],
)
def test_what_is_unusual_and_right_is_taken(event: Any) -> None:
    assert wrong_of(event) == []


def test_periods_of_an_instance_that_overlap_within_a_call_are_refused_and_a_repeat_is_none() -> None:
    overlapping = between("2026-07-15T14:29:45Z", "2026-07-15T14:30:15Z")
    assert wrong_of(SEED, SEED) == []
    assert wrong_of(SEED, overlapping) == [(1, "period")]
    assert wrong_of(overlapping, SEED) == [(0, "period")]
    assert wrong_of(SEED, overlapping | {"instance_id": "another"}) == []
    assert wrong_of(SEED, metered(gpu_seconds=1)) == [(1, "period")], "the same period with other content"
    assert wrong_of(SEED, between("2026-07-15T14:30:00Z", "2026-07-15T14:30:30Z")) == [], "one ends as the next begins"


def body_of(text: str) -> UsageEvents:
    found = parse_body(text.encode(), UsageEvents)
    assert isinstance(found, UsageEvents)
    return found


def test_one_event_a_list_and_an_object_with_events_are_all_read() -> None:
    assert body_of('{"version": "1.0"}').single
    assert body_of('[{"version": "1.0"}, {}]').events == [{"version": "1.0"}, {}]
    assert not body_of('{"events": [{}]}').single


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", Invalid),
        ('{"events": []}', Invalid),
        ('{"events": {}}', Invalid),
        ('{"events": [{}], "more": 1}', Invalid),
        ('{"events": [{}], "single": true}', Invalid),
        ("5", Invalid),
        ("null", Invalid),
        ('{"metrics": NaN}', Malformed),
        ('{"version": "1.0", "version": "1.0"}', Malformed),
        ("", Malformed),
        (str([{}] * (MOST_EVENTS + 1)), Invalid),
    ],
)
def test_a_body_that_is_no_such_thing_is_refused(text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        body_of(text)


def test_moments_are_shown_as_they_came() -> None:
    for text in ("2026-07-15T14:30:00Z", "2026-07-15T14:30:00.123Z"):
        assert moment_text(moment_ms(text)) == text
    assert list(SEED["metrics"]) == list(METRICS)
