"""What prices need of others."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MarketPrice:
    """What an offer costs now, in micro-USD per GPU-hour."""

    offer_id: str
    provider: str
    gpu_type: str
    region: str | None
    spot: bool
    micros: int


class MarketPrices(Protocol):
    def fresh(self, now: datetime) -> Iterable[MarketPrice]:
        """Every offer whose provider has answered lately."""


class Names(Protocol):
    """Names as callers write them, made those of the market."""

    def gpu(self, text: str) -> str: ...

    def region(self, text: str) -> str: ...
