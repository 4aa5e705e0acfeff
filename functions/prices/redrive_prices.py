"""By hand: what was set aside, to the detector again (docs/prices.md)."""

from typing import Any

from gpubroker.composition import prices as composition
from gpubroker.messaging.tasks import task


def redrive_prices(event: dict[str, Any]) -> dict[str, int]:
    return composition.price_redrive().run()


handler = task(redrive_prices)
