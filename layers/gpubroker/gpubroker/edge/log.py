"""The one structured line that every request writes (R6.5, R15.5); no other on a good day.

It is Powertools' Logger with its own formatter, so that `POWERTOOLS_LOG_LEVEL` and the rest work as documented.
A line never holds a header, a body or a query string: that is where secrets are.
"""

from functools import cache
from typing import Any

import orjson
from aws_lambda_powertools import Logger


def _dumps(line: Any) -> str:
    return orjson.dumps(line, default=str).decode()


@cache
def logger() -> Logger:
    """The logger of this function; the service is `POWERTOOLS_SERVICE_NAME`."""
    return Logger(json_serializer=_dumps, utc=True, use_rfc3339=True, location=None)
