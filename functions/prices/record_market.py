"""Once an hour: the price of every offer, so that a price that stood still is not taken for one that nobody knows."""

from functools import partial
from typing import Any

from gpubroker.composition import prices as composition
from gpubroker.kernel.time import utc_now
from gpubroker.messaging.tasks import task
from gpubroker.prices.history.recording import record_market as record


def record_market(event: dict[str, Any]) -> dict[str, int]:
    now = utc_now()
    return {"offers": record(partial(composition.market_prices().fresh, now), now)}


handler = task(record_market)
