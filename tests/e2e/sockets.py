"""What clients of the real-time channels do in the end-to-end tests: connect, listen, and wait for what must come."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import boto3

from tests.unit.delivery import facts

PATIENCE = 15.0


def publish(environment: dict[str, Any], *events: dict[str, Any]) -> None:
    """Put facts on the bus, as another context's relay would."""
    client = boto3.client(
        "events",
        endpoint_url=environment["aws_endpoint_url"],
        region_name=environment["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    entries = [
        {
            "EventBusName": environment["stack"]["outputs"]["EventBusName"],
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        for event in events
    ]
    assert client.put_events(Entries=entries)["FailedEntryCount"] == 0


def moved(offer_id: str, **changes: Any) -> dict[str, Any]:
    """A price that moved, as a fact of its own."""
    return facts.prices_updated(facts.update(offer_id, **changes), event_id=f"evt_{uuid.uuid4().hex}")


class Client:
    """One WebSocket. `until` reads on until a message is as wanted, and fails when none comes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE)
            self.heard.append(message)
            if wanted(message):
                return message

    async def of_type(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind)

    async def subscribe(self, channel: str) -> dict[str, Any]:
        await self.say(type="subscribe", channel=channel)
        return await self.until(lambda message: message["type"] in ("subscribed", "error"))


@asynccontextmanager
async def connected(
    environment: dict[str, Any], path: str = "/providers/", *, token: str | None = None, **named: Any
) -> AsyncIterator[Client]:
    """A greeted client. token: sent as a subprotocol."""
    protocols = ["bearer", token] if token else []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(environment["ws_url"] + path, protocols=protocols, **named) as socket,
    ):
        client = Client(socket)
        await client.of_type("connection")
        yield client
