"""After $connect: the greeting, and what the client missed"""

from typing import Any

from gpubroker.composition import live as composition
from gpubroker.messaging.tasks import task


def greet_socket(event: dict[str, Any]) -> bool:
    return composition.socket_greeter().greet(event["connection_id"])


handler = task(greet_socket)
