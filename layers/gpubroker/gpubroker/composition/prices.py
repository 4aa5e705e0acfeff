"""What the price stream and history need of offers (prices/ports.py), and their use cases."""

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gpubroker.messaging.aside import Redrive
    from gpubroker.prices.averages import Averages
    from gpubroker.prices.detection import Detection
    from gpubroker.prices.history.reading import Cursors, History
    from gpubroker.prices.ports import MarketPrice, MarketPrices


@cache
def price_detection() -> "Detection":
    """What judges the price stream."""
    from gpubroker.prices.aside import queue
    from gpubroker.prices.detection import Detection
    from gpubroker.prices.states import StoredStates

    return Detection(StoredStates(), queue(), _now_ms)


@cache
def price_redrive() -> "Redrive":
    from gpubroker.prices.aside import redrive
    from gpubroker.prices.states import StoredStates

    return redrive(StoredStates(), _now_ms)


@cache
def price_averages() -> "Averages":
    from gpubroker.prices.averages import Averages

    return Averages(_now_ms)


@cache
def price_history(cursors: "type[Cursors]") -> "History":
    """History as callers read it; the edge brings its cursors."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.prices.history.reading import History

    return History(_MarketNames(), cursors, utc_now)


@cache
def market_prices() -> "MarketPrices":
    """The snapshot as price history sees it."""
    return _MarketPrices()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _MarketPrices:
    """prices.ports.MarketPrices over the snapshot in the table."""

    def fresh(self, now: "datetime") -> "Iterable[MarketPrice]":
        from gpubroker.offers import store
        from gpubroker.offers.slugs import SLUGS
        from gpubroker.prices.ports import MarketPrice

        for state, offers in store.parts_of(SLUGS):
            if state is None or state.stale(now.timestamp()):
                continue
            for offer in offers:
                micros = offer.price_micros_per_gpu_hour
                if micros is None:
                    continue  # its provider tells none
                yield MarketPrice(
                    offer_id=offer.offer_id,
                    provider=offer.provider,
                    gpu_type=offer.gpu_model,
                    region=offer.region,
                    spot=offer.spot,
                    micros=micros,
                )


class _MarketNames:
    """prices.ports.Names by the tables of offers."""

    def gpu(self, text: str) -> str:
        from gpubroker.offers.gpus import canonical

        return canonical(text)

    def region(self, text: str) -> str:
        return text.strip().lower()
