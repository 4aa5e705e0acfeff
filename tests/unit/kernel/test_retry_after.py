"""`Retry-After` as others send it."""

from datetime import UTC, datetime

import pytest

from gpubroker.kernel.retry_after import seconds_until

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 1.0),
        ("Sun, 24 May 2026 11:00:00 GMT", 3600.0),
        ("Sun, 24 May 2026 12:00:00 +0100", 3600.0),
        ("Sun, 24 May 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("\u00b2", None),
        ("nan", None),
        ("-1", None),
        ("1e300", None),
        ("Sun, 24 May 99999999999999999999 09:00:00 GMT", None),
        (None, None),
    ],
)
def test_the_time_to_come_back_is_seconds_or_a_date_and_nonsense_is_none(
    told: str | None, seconds: float | None
) -> None:
    assert seconds_until(told, NOW) == seconds
