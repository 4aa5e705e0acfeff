"""How work that takes longer than a request is answered: 202 with where to look and when (DESIGN §4, RFC 7240 §4.3)."""

import re
from typing import Any

from gpubroker.edge.http import Answer

LONGEST_WAIT_SECONDS = 25
_RETRY_AFTER_SECONDS = 2
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int:
    """The seconds that `Prefer: wait=N` asks for, at most 25; 0 without it. A preference that cannot be read is
    ignored, as RFC 7240 says."""
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), LONGEST_WAIT_SECONDS) if match else 0


def underway(body: Any, *, location: str, done: bool, waited: int = 0) -> Answer:
    """200 when the work is done already, else 202 with `Retry-After`; `Location` says where it can be seen."""
    headers = {"location": location}
    if waited:
        headers["preference-applied"] = f"wait={waited}"
    if not done:
        headers["retry-after"] = str(_RETRY_AFTER_SECONDS)
    return Answer(body, status=200 if done else 202, headers=headers)
