"""Sums that are held against thresholds are those of the metering: each event once, late ones too. # 473"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gpubroker.usage.aggregation import Aggregation
from gpubroker.usage.history import History
from gpubroker.usage.hours import StoredHours
from gpubroker.usage.thresholds.resources import Period
from gpubroker.usage.thresholds.threshold import Span
from gpubroker.usage.thresholds.totals import CountedTotals
from gpubroker.usage.totals import Totals
from tests.integration.usage.conftest import HOUR_MS, records, usage

HOUR = datetime.fromtimestamp(HOUR_MS / 1000, UTC)
NOW = HOUR.replace(minute=59)
HOUR_LENGTH_MS = 3_600_000


class _Nobody:
    def may_see_usage(self, caller: Any, org_id: str) -> bool:
        return False


class _NotAside:
    def put(self, what: dict[str, Any]) -> None:
        raise AssertionError(what)


@pytest.fixture
def counted(table: Any) -> CountedTotals:
    return CountedTotals(History(_Nobody(), lambda: NOW), lambda: NOW)


def aggregate(*events: Any) -> None:
    account = Aggregation(StoredHours(), _NotAside(), lambda: int(NOW.timestamp() * 1000)).take(records(events))
    assert account.failed is None, account.errors


def total(counted: CountedTotals, period: str, instance: str | None = None, user: str = "usr_1") -> dict[str, Decimal]:
    return dict(counted.of(user, instance, Span.of(Period(period), HOUR)))


def test_nothing_counted_is_nothing(counted: CountedTotals) -> None:
    assert total(counted, "month") == {}
    assert total(counted, "month", "ren_1.m1") == {}


def test_what_is_counted_in_this_very_hour_is_in_every_period(counted: CountedTotals) -> None:
    events = [usage(0), usage(1), usage(0, "ren_2.m1"), usage(0, user="usr_2", instance="other")]
    aggregate(*events)
    aggregate(*events)  # the stream delivers at least once
    for period in ("hour", "day", "month"):
        assert total(counted, period) == {"gpu_seconds": 90}
        assert total(counted, period, "ren_2.m1") == {"gpu_seconds": 30}
        assert total(counted, period, user="usr_2") == {"gpu_seconds": 30}
        assert total(counted, period, "other") == {}, "another user's instance"


def test_earlier_days_and_hours_are_in_the_month(counted: CountedTotals) -> None:
    yesterday = HOUR_MS - 24 * HOUR_LENGTH_MS
    assert HOUR.day > 2
    aggregate(
        usage(0), usage(0, hour_ms=yesterday), usage(1, hour_ms=yesterday), usage(0, hour_ms=HOUR_MS - HOUR_LENGTH_MS)
    )
    made = Totals(lambda: int(NOW.timestamp() * 1000))
    from gpubroker.usage.totals import mark, pending_pk

    for hour_ms in (yesterday, HOUR_MS - HOUR_LENGTH_MS):
        text = datetime.fromtimestamp(hour_ms / 1000, UTC).strftime("%Y-%m-%dT%H")
        mark("usr_1", f"HOUR#{text}", 0)
        made.make(pending_pk("usr_1"), f"HOUR#{text}")
    assert total(counted, "hour") == {"gpu_seconds": 30}
    assert total(counted, "day") == {"gpu_seconds": 60}
    assert total(counted, "month") == {"gpu_seconds": 120}


def test_a_period_that_has_not_begun_has_no_sum(counted: CountedTotals) -> None:
    later = Span.of(Period.HOUR, datetime.fromtimestamp(HOUR_MS / 1000 + 3600, UTC))
    assert counted.of("usr_1", None, later) == {}
