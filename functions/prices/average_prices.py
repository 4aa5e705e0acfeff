"""Each minute: windows whose end the watermark has passed, and those that late changes have revised."""

from typing import Any

from gpubroker.composition import prices as composition
from gpubroker.messaging.tasks import task


def average_prices(event: dict[str, Any]) -> dict[str, int]:
    return {"told": composition.price_averages().close()}


handler = task(average_prices)
