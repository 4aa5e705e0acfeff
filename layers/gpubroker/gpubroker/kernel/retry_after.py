"""`Retry-After` as others send it to us (RFC 9110 §10.2.3): providers' APIs, and the addresses of webhooks."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 10 * 365 * 24 * 3600


def retry_moment(text: str | None, now: datetime) -> datetime | None:
    """The moment that it names: a date, or seconds from now, rounded up. None for none, or one that says nothing."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):  # a day, a year or a zone of twenty digits
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 0 <= seconds <= LONGEST_SECONDS:
        return None
    return now + timedelta(seconds=math.ceil(seconds))


def seconds_until(text: str | None, now: datetime) -> float | None:
    """Seconds that it asks for, 0 for a moment that is over."""
    moment = retry_moment(text, now)
    return None if moment is None else max(0.0, (moment - now).total_seconds())
