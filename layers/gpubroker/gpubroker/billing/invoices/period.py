"""A billing period: a calendar month, UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_TEXT = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """[start, end) of one month, written `2026-11`."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> "Period":
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Raises ValueError for anything but a month of this century."""
        if not _TEXT.fullmatch(text):
            raise ValueError("must be a month, like 2026-11")
        return cls(int(text[:4]), int(text[5:]))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.next.start

    @property
    def next(self) -> "Period":
        return Period(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def previous(self) -> "Period":
        return Period.of(self.start - timedelta(days=1))

    @property
    def name(self) -> str:
        """For people: `November 2026`."""
        return f"{self.start:%B %Y}"
