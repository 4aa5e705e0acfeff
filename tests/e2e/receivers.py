"""An endpoint on this machine for the end-to-end tests, and facts as other contexts put them on the bus."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import iso, utc_now
from infra.local import aws
from tests.e2e.callers import eventually


class Receiver:
    """An endpoint: answers what it is told to, then 200; keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"

    def wait_for(self, number: int, *, seconds: float = 20) -> list[tuple[dict[str, str], bytes]]:
        return eventually(lambda: list(self.got), lambda got: len(got) >= number, seconds=seconds, every=0.02)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that serves."""
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)


def publish(environment: dict[str, Any], *changes: dict[str, Any]) -> None:
    """A fact of the context prices, as its relay puts it on the bus."""
    bus = aws.client("events", environment["aws_endpoint_url"])
    told = {"event_id": new_id("evt"), "occurred_at": iso(utc_now()), "traceparent": None, "correlation_id": None}
    entry = {
        "EventBusName": "gpubroker",
        "Source": "gpubroker.prices",
        "DetailType": "PriceChangesDetected",
        "Detail": json.dumps({"changes": list(changes), **told}),
    }
    assert bus.put_events(Entries=[entry])["FailedEntryCount"] == 0
