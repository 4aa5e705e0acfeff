"""$default of the WebSocket API: all that clients say"""

from typing import Any

from chalice.app import WebsocketEvent

from gpubroker.composition import live as composition
from gpubroker.edge.sockets import said, socket_app
from gpubroker.edge.table_market import TableMarket

app = socket_app()
market = TableMarket()


@app.on_ws_message()
def handler(event: WebsocketEvent) -> dict[str, Any]:
    return said(event.to_dict(), composition.socket_conversation(market).hear)
