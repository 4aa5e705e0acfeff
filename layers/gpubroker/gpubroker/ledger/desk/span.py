"""Which part of an account's activity is asked for."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """Moments [since, until), and one kind of transfer, where given. before: the position that a page goes on from."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: str | None = None
