"""Real-time messages through the local cloud: front, API Gateway, bus, queue, functions, table.

1,000 connections, 100 of them subscribed to what changed, 20 of these dead (known to the table, unknown to the gateway:
their end was never told): every live subscriber gets each message once, nobody else gets it, the dead are removed; how
long the last of them waits, beside the same fact with nobody dead. And how long one price takes from its record's
arrival in the stream, and from the bus, to a client.

The calls to AWS of one such fact are counted where botocore makes them, against moto's table.
"""

import asyncio
import json
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import aiohttp
import boto3
import botocore.client
from moto import mock_aws

from tests.benchmarks import calls
from tests.benchmarks.bench_local_edge import cloud
from tests.benchmarks.harness import Row, row

CONNECTIONS, SUBSCRIBED, DEAD = 1_000, 100, 20
ROUNDS = 10
PRICES = 300
CHANNEL = "gpu:BENCH"


def run() -> list[Row]:
    kept = dict(os.environ)
    try:
        with calls.standard_output_to(), mock_aws():
            counted = _counted()
    finally:  # the local cloud is another one
        os.environ.clear()
        os.environ.update(kept)
    with cloud() as environment:
        return [*counted, *asyncio.run(_measured(environment))]


# ------------------------------------------------------------------ calls


class _Gateway:
    """API Gateway, as far as it is asked: how often, and about whom."""

    def __init__(self) -> None:
        self.posts = 0

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803 - AWS's names
        from botocore.exceptions import ClientError

        self.posts += 1
        if ConnectionId.startswith("dead"):
            answer: Any = {"Error": {"Code": "GoneException"}, "ResponseMetadata": {"HTTPStatusCode": 410}}
            raise ClientError(answer, "PostToConnection")

    def delete_connection(self, *, ConnectionId: str) -> None:  # noqa: N803
        raise AssertionError("nobody is closed here")


def _counted() -> list[Row]:
    calls.be_a_function("")
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    os.environ["DELIVERY_TABLE"] = "delivery"
    from gpubroker.delivery.public_log import PublicLog
    from gpubroker.delivery.sockets.connections import Connection, ConnectionItem, Connections
    from gpubroker.delivery.sockets.fan_out import FanOut
    from gpubroker.delivery.sockets.posting import Poster
    from gpubroker.kernel.caller import Caller, Plan, Role

    _create_table()
    connections, gateway = Connections(), _Gateway()
    somebody = Caller(Role.USER, subject="u", tenant="u", plan=Plan.ENTERPRISE)
    for number in range(SUBSCRIBED):
        name = f"{'dead' if number < DEAD else 'live'}{number}"
        connections.add(Connection(name, somebody, "u", "/ws/providers/", frozenset({CHANNEL})))
    # moto copies the whole table in each transaction, so the crowd comes in batches.
    like = ConnectionItem.get("CONNECTION#live99", "CONNECTION")
    with ConnectionItem.batch_write() as batch:
        for number in range(SUBSCRIBED, CONNECTIONS):
            like.pk, like.channels = f"CONNECTION#live{number}", None
            batch.save(ConnectionItem(**like.attribute_values))
    never: Any = None
    fan_out = FanOut(log=PublicLog(), connections=connections, rentals=never, poster=Poster(gateway), queue=never)
    made: list[str] = []
    real = botocore.client.BaseClient._make_api_call

    def counting(client: Any, operation: str, arguments: Any) -> Any:
        made.append(operation)
        return real(client, operation, arguments)

    botocore.client.BaseClient._make_api_call = counting
    try:
        fan_out.fact(_moved("x"))
        removing = len(made)
        made.clear()
        fan_out.fact(_moved("y"))
    finally:
        botocore.client.BaseClient._make_api_call = real
    name = f"{SUBSCRIBED} of {CONNECTIONS} connections, {DEAD} dead"
    # To the table: the head, its transaction, and a query for each of the message's partitions (4 of price_updates,
    # provider, GPU, and two of regions); two more for each of the dead.
    return [
        row(f"{name}: posts for two facts", gateway.posts, "calls", limit=2 * SUBSCRIBED - DEAD),
        row(f"{name}: calls to the table, removing them", removing, "calls", limit=10 + 2 * DEAD),
        row(f"{name}: calls to the table afterwards", len(made), "calls", limit=10),
    ]


def _create_table() -> None:
    boto3.client("dynamodb").create_table(
        TableName="delivery",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )


def _moved(offer_id: str, *, gpu: str = "BENCH") -> dict[str, Any]:
    update = {
        "provider": "vastai",
        "offer_id": offer_id,
        "old_price": 2.0,
        "new_price": 1.85,
        "timestamp": "2026-05-24T10:00:00.000Z",
        "old_price_micros": 2_000_000,
        "new_price_micros": 1_850_000,
        "new_price_micros_per_hour": 1_850_000,
        "gpu_type": gpu,
        "gpu_count": 1,
        "region": "us-east",
        "spot": False,
    }
    event_id = f"evt_{uuid.uuid4().hex}"
    found = {"change_percent": -7.5, "significant": True, "anomaly": False, "z_score": None, "sequence": 1}
    envelope = {"event_id": event_id, "occurred_at": update["timestamp"], "traceparent": None, "correlation_id": None}
    updates = [update | found | {"event_id": f"{event_id}.0"}]
    return {"detail-type": "PricesUpdated", "source": "gpubroker.prices", "detail": {"updates": updates} | envelope}


# ------------------------------------------------------------------ times


class _House:
    """The local cloud's AWS."""

    def __init__(self, environment: dict[str, Any]) -> None:
        self.environment = environment
        self.outputs = environment["stack"]["outputs"]
        self.bus = self.client("events")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environment["aws_endpoint_url"],
            region_name=self.environment["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def publish(self, event: dict[str, Any]) -> None:
        entry = {
            "EventBusName": self.outputs["EventBusName"],
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        if self.bus.put_events(Entries=[entry])["FailedEntryCount"]:
            raise AssertionError("the bus refused an event")

    @contextmanager
    def table(self) -> Iterator[None]:
        """The product's own storage code on the local cloud's table."""
        kept = dict(os.environ)
        os.environ |= {
            "AWS_ENDPOINT_URL": self.environment["aws_endpoint_url"],
            "AWS_DEFAULT_REGION": self.environment["region"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "DELIVERY_TABLE": self.outputs["DeliveryTableName"],
        }
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)


async def _measured(environment: dict[str, Any]) -> list[Row]:
    house = _House(environment)
    rows = [await _from_bus(house)]
    if house.client("lambda").list_event_source_mappings(EventSourceArn=_stream_arn(house))["EventSourceMappings"]:
        rows.insert(0, await _from_stream(house))
    return [*rows, *await _crowd(house)]


def _stream_arn(house: _House) -> str:
    told = house.client("kinesis").describe_stream_summary(StreamName=house.outputs["PriceStreamName"])
    return str(told["StreamDescriptionSummary"]["StreamARN"])


async def _from_bus(house: _House) -> Row:
    taken = await _times(house, lambda name: house.publish(_moved(name)))
    return row("a price from the bus to a WebSocket, p99", _p99(taken) * 1e3, "ms", limit=1000)


async def _from_stream(house: _House) -> Row:
    stream = house.client("kinesis")

    def moved(name: str) -> None:
        update = _moved(name)["detail"]["updates"][0]
        for field in ("change_percent", "significant", "anomaly", "z_score", "sequence"):
            del update[field]
        name_of_stream = house.outputs["PriceStreamName"]
        stream.put_record(StreamName=name_of_stream, PartitionKey=name, Data=json.dumps(update).encode())

    taken = await _times(house, moved)
    return row("a price from its record in the stream to a WebSocket, p99", _p99(taken) * 1e3, "ms", limit=1000)


async def _times(house: _House, move: Any) -> list[float]:
    """Seconds from each move (its beginning, so a little more than from its arrival) to the client."""
    taken = []
    url = f"{house.environment['ws_url']}/providers/?channels={CHANNEL}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.receive_json(timeout=30)
        for number in range(PRICES + 10):
            name = f"bench-{number}-{uuid.uuid4().hex[:6]}"
            started = time.perf_counter()
            await asyncio.to_thread(move, name)
            while (await socket.receive_json(timeout=30)).get("offer_id") != name:
                pass
            if number >= 10:  # the first ones warm the functions up
                taken.append(time.perf_counter() - started)
    return taken


def _p99(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=100)[98]


async def _crowd(house: _House) -> list[Row]:
    token = house.environment["credentials"]["enterprise"]["token"]
    heard: dict[int, list[str]] = {}
    last = 0.0

    async def listen(number: int, socket: aiohttp.ClientWebSocketResponse) -> None:
        nonlocal last
        async for message in socket:
            told = json.loads(message.data)
            if told["type"] == "price_update":
                heard.setdefault(number, []).append(told["offer_id"])
                last = time.perf_counter()

    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        room = asyncio.Semaphore(32)

        async def connect(number: int) -> aiohttp.ClientWebSocketResponse:
            listens = f"?channels={CHANNEL}" if number < SUBSCRIBED - DEAD else ""
            url = f"{house.environment['ws_url']}/providers/{listens}"
            async with room:
                return await session.ws_connect(url, protocols=["bearer", token])

        started = time.perf_counter()
        sockets = await asyncio.gather(*(connect(number) for number in range(CONNECTIONS - DEAD)))
        connecting = time.perf_counter() - started
        readers = [asyncio.create_task(listen(number, socket)) for number, socket in enumerate(sockets)]
        with house.table():
            spent: dict[bool, list[float]] = {True: [], False: []}
            everybody_once = True
            for number in range(2 * ROUNDS + 2):
                dead = bool(number % 2)
                if dead:
                    await asyncio.to_thread(_bury)
                heard.clear()
                begun = time.perf_counter()
                await asyncio.to_thread(house.publish, _moved(f"crowd-{number}"))
                await _until(lambda: len(heard) >= SUBSCRIBED - DEAD)
                if number > 1:
                    spent[dead].append(last - begun)
                await _until(lambda: not _buried())
                everybody_once = everybody_once and all(told == [f"crowd-{number}"] for told in heard.values())
                everybody_once = everybody_once and set(heard) == set(range(SUBSCRIBED - DEAD))
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*(socket.close() for socket in sockets))
    name = f"{SUBSCRIBED} of {CONNECTIONS} connections"
    return [
        row(
            f"{name}, {DEAD} dead: the last message",
            statistics.median(spent[True]) * 1e3,
            "ms",
            peer="nobody dead",
            peer_value=statistics.median(spent[False]) * 1e3,
            at_most=1.5,
            equal=everybody_once,
        ),
        row(f"{CONNECTIONS - DEAD} handshakes, 32 at a time", connecting, "s"),
    ]


def _bury() -> None:
    """Connections that ended without a word to us."""
    from gpubroker.delivery.sockets.connections import Connection, Connections
    from gpubroker.kernel.caller import Caller, Plan, Role

    nobody = Caller(Role.USER, subject="u", tenant="u", plan=Plan.ENTERPRISE)
    for _ in range(DEAD):
        Connections().add(Connection(f"dead{uuid.uuid4().hex}", nobody, "u", "/ws/providers/", frozenset({CHANNEL})))


def _buried() -> list[str]:
    """Those of them that are still there."""
    from gpubroker.delivery.sockets.connections import Connections

    return [name for name in Connections().audience("", [CHANNEL]).channels if name.startswith("dead")]


async def _until(reached: Any, seconds: float = 30.0) -> None:
    deadline = time.perf_counter() + seconds
    while not await asyncio.to_thread(reached):
        if time.perf_counter() > deadline:
            raise AssertionError(f"not reached after {seconds} s")
        await asyncio.sleep(0.01)
