"""Sums that are held against thresholds are those of the metering: each event once, late ones too. # 473"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gpubroker.usage.history import History
from gpubroker.usage.items import hour_text
from gpubroker.usage.pending import mark, pending_pk
from gpubroker.usage.thresholds.resources import Period
from gpubroker.usage.thresholds.threshold import Span
from gpubroker.usage.thresholds.totals import CountedTotals
from gpubroker.usage.totals import Totals
from tests.integration.usage.conftest import count
from tests.unit.usage.folding import NOON, usage

HOUR = datetime.fromtimestamp(NOON / 1000, UTC)
NOW = HOUR + timedelta(minutes=59)
A_DAY, AN_HOUR = 24 * 3600, 3600


class _Nobody:
    def may_see_usage(self, caller: Any, org_id: str) -> bool:
        return False


@pytest.fixture
def counted(table: Any) -> CountedTotals:
    return CountedTotals(History(_Nobody(), lambda: NOW), lambda: NOW)


def total(counted: CountedTotals, period: str, instance: str | None = None, user: str = "usr_1") -> dict[str, Decimal]:
    return dict(counted.of(user, instance, Span.of(Period(period), HOUR)))


def test_nothing_counted_is_nothing(counted: CountedTotals) -> None:
    assert total(counted, "month") == {}
    assert total(counted, "month", "box") == {}


def test_what_is_counted_in_this_very_hour_is_in_every_period(counted: CountedTotals) -> None:
    events = [usage(0), usage(30), usage(0, instance="second"), usage(0, user="usr_2", instance="other")]
    count(events)
    count(events)  # the stream delivers at least once
    for period in ("hour", "day", "month"):
        assert total(counted, period) == {"gpu_seconds": 90}
        assert total(counted, period, "second") == {"gpu_seconds": 30}
        assert total(counted, period, user="usr_2") == {"gpu_seconds": 30}
        assert total(counted, period, "other") == {}, "another user's instance"


def test_earlier_days_and_hours_are_in_the_month(counted: CountedTotals) -> None:
    count([usage(0), usage(-A_DAY), usage(30 - A_DAY), usage(-AN_HOUR)])
    made = Totals(lambda: int(NOW.timestamp() * 1000))
    for hour_ms in (NOON - A_DAY * 1000, NOON - AN_HOUR * 1000):
        name = f"HOUR#{hour_text(hour_ms)}"
        mark("usr_1", name, 0)
        made.make(pending_pk("usr_1"), name)
    assert total(counted, "hour") == {"gpu_seconds": 30}
    assert total(counted, "day") == {"gpu_seconds": 60}
    assert total(counted, "month") == {"gpu_seconds": 120}


def test_a_period_that_has_not_begun_has_no_sum(counted: CountedTotals) -> None:
    assert counted.of("usr_1", None, Span.of(Period.HOUR, HOUR + timedelta(hours=1))) == {}
