"""Each ten minutes: connections whose end nobody told us of"""

from typing import Any

from gpubroker.composition import live as composition
from gpubroker.messaging.tasks import task


def sweep_sockets(event: dict[str, Any]) -> int:
    return composition.socket_sweep().run()


handler = task(sweep_sockets)
