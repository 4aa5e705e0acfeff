"""$disconnect of the WebSocket API"""

from typing import Any

from chalice.app import WebsocketEvent

from gpubroker.delivery.sockets.connections import Connections
from gpubroker.edge.sockets import left, socket_app

app = socket_app()
connections = Connections()


@app.on_ws_disconnect()
def handler(event: WebsocketEvent) -> dict[str, Any]:
    return left(event.to_dict(), connections.remove)
