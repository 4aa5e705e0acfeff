"""$connect of the WebSocket API: who calls, may they, and what do they listen to"""

from typing import Any

from chalice.app import WebsocketEvent

from gpubroker.composition import live as composition
from gpubroker.edge.sockets import connecting, socket_app

app = socket_app()


@app.on_ws_connect()
def handler(event: WebsocketEvent) -> dict[str, Any]:
    return connecting(event.to_dict(), composition.socket_reception().connect)
