"""The logger of what runs behind the API: tasks, streams, schedules."""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """Powertools' logger; the service is `POWERTOOLS_SERVICE_NAME`. Lines hold ids and reasons, never payloads."""
    return Logger(utc=True, use_rfc3339=True)
