"""What is watched for, and the change of a price that may be it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import parse_iso

AT_ONCE = -1
CHANNELS = ("websocket", "email", "push", "inbox", "webhook")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which offers an alert is about. None means any; a region's name may cover several regions ("us", "eu").

    region   as it was asked for
    regions  the canonical regions that it covers, sorted; empty for any
    """

    gpu_type: str
    region: str | None = None
    regions: tuple[str, ...] = ()
    provider: str | None = None
    spot: bool | None = None

    def covers(self, *, gpu_type: str, region: str | None, provider: str, spot: bool) -> bool:
        return (
            self.gpu_type == gpu_type
            and (self.region is None or region in self.regions)
            and self.provider in (None, provider)
            and self.spot in (None, spot)
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """An offer at its price of a moment, per GPU-hour."""

    offer_id: str
    provider: str
    gpu_type: str
    gpu_count: int
    region: str | None
    spot: bool
    price_micros: MicroUsd


@dataclass(frozen=True, slots=True)
class Change:
    """An offer's new price. `sequence` rises with every change of one offer and says which of two is the later."""

    quote: Quote
    old_price_micros: MicroUsd
    sequence: int
    at: datetime

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """An update of PricesUpdated.v1. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            Quote(
                offer_id=str(told["offer_id"]),
                provider=str(told["provider"]),
                gpu_type=str(told["gpu_type"]),
                gpu_count=int(told["gpu_count"]),
                region=told["region"],
                spot=bool(told["spot"]),
                price_micros=int(told["new_price_micros"]),
            ),
            old_price_micros=int(told["old_price_micros"]),
            sequence=int(told["sequence"]),
            at=parse_iso(told["timestamp"]),
        )

    def crosses(self, max_price_micros: MicroUsd) -> bool:
        """Whether the price was above the threshold and is not any more."""
        return self.quote.price_micros <= max_price_micros < self.old_price_micros


@dataclass(frozen=True, slots=True)
class Hold:
    """What fired the alert last: while this offer stays at or below the threshold, the condition is the same one.

    sequence  of the change; AT_ONCE when the alert met the offer as it was made
    """

    offer_id: str
    sequence: int
    price_micros: MicroUsd
    fired_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """`user_id` is told when an offer of `selector` comes to cost `max_price_micros` a GPU-hour or less.

    since       changes of well before this moment are not its business: it was made, resumed or changed then
    expires_at  from then on it does not fire, whether it is still stored or not; None for never
    crossings   how often it has fired
    version     counts the writes
    """

    alert_id: str
    tenant: str
    user_id: str
    selector: Selector
    max_price_micros: MicroUsd
    cooldown_seconds: int
    channels: tuple[str, ...]
    created_at: datetime
    since: datetime
    expires_at: datetime | None = None
    paused: bool = False
    crossings: int = 0
    hold: Hold | None = None
    last_fired_at: datetime | None = None
    version: int = 1

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now
