"""WebSockets and server-sent events through the whole house: edge, gateway, functions, bus, queue, table."""

import asyncio
import json
import shutil
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import httpx
import pytest

from infra.local.cloud import LocalCloud
from tests.e2e.browser import Page, chromium
from tests.e2e.callers import client, eventually, over, ready, rented
from tests.e2e.sockets import PATIENCE, connected, moved, publish
from tests.unit.delivery.event_source import EventSource, Reply
from tests.unit.delivery.facts import alert_triggered, health_changed


def token_of(cloud: LocalCloud, role: str) -> str:
    return str(cloud.environment["credentials"][role]["token"])


def kept(cloud: LocalCloud) -> Any:
    environment = cloud.environment
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=environment["aws_endpoint_url"],
        region_name=environment["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return dynamodb.Table(environment["stack"]["outputs"]["DeliveryTableName"])


def test_anybody_is_greeted_and_hears_of_the_prices_that_were_asked_for(cloud):  # J1.4, R11.1-6 (264, 237-242)
    async def scenario():
        async with connected(cloud.environment) as somebody:
            (greeting,) = somebody.heard
            assert {"price_updates", "gpu:{type}"} <= set(greeting["subscriptions"])
            assert (await somebody.subscribe("gpu:nvidia h100 sxm"))["channel"] == "gpu:H100"
            publish(cloud.environment, moved("vastai-a100", gpu_type="A100"), moved("vastai-h100"))
            told = await somebody.of_type("price_update")
            assert (told["provider"], told["offer_id"], told["new_price"]) == ("vastai", "vastai-h100", 1.85)
            await somebody.say(type="ping")
            await somebody.of_type("pong")
            assert [m["offer_id"] for m in somebody.heard if m["type"] == "price_update"] == ["vastai-h100"]

    asyncio.run(scenario())


def test_what_providers_and_offers_do_is_heard_as_well(cloud):  # R11.4 (240)
    async def scenario():
        async with connected(cloud.environment, "/providers/vastai/") as somebody:
            publish(cloud.environment, health_changed("runpod", event_id=f"evt_{uuid.uuid4().hex}"))
            publish(cloud.environment, health_changed("vastai", event_id=f"evt_{uuid.uuid4().hex}"))
            told = await somebody.of_type("health_status")
            assert (told["provider"], told["status"]) == ("vastai", "unhealthy")

    asyncio.run(scenario())


def test_credentials_come_by_url_or_subprotocol_and_wrong_ones_are_refused(cloud):  # J2.2, R14.6 (268, 261)
    async def scenario():
        environment, token = cloud.environment, token_of(cloud, "pro")
        async with connected(environment, token=token) as pro:
            assert pro.socket.protocol == "bearer"
            assert pro.heard[0]["plan"] == "pro"
        async with connected(environment, f"/providers/?token={token}") as pro:
            assert pro.heard[0]["authenticated"]
        for path, status in {
            "/providers/?token=wrong": 401,
            "/rentals/ren_1/": 401,
            f"/rentals/ren_1/?token={token}": 404,
            "/nowhere/": 404,
        }.items():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connected(environment, path):
                    pass
            assert refused.value.status == status, path

    asyncio.run(scenario())


def test_a_reconnect_with_the_last_sequence_gets_what_it_missed(cloud):
    async def scenario():
        environment = cloud.environment
        async with connected(environment, "/providers/?channels=price_updates") as somebody:
            publish(environment, moved("seen"))
            last = (await somebody.until(lambda m: m.get("offer_id") == "seen"))["sequence"]
        publish(environment, moved("missed-1"))
        async with connected(environment, "/providers/?channels=price_updates") as watcher:
            publish(environment, moved("missed-2"))
            await watcher.until(lambda m: m.get("offer_id") == "missed-2")
        async with connected(environment, f"/providers/?channels=price_updates&last_sequence={last}") as again:
            await again.of_type("resumed")
            told = [m for m in again.heard if m["type"] == "price_update"]
            assert {"missed-1", "missed-2"} == {m["offer_id"] for m in told}
            assert [m["sequence"] for m in told] == sorted(m["sequence"] for m in told)

    asyncio.run(scenario())


def test_the_tenant_of_a_rental_hears_of_it_and_nobody_else_can(cloud):  # J4.5, 353, 355 (287)
    environment = cloud.environment
    with client(environment, "pro") as http:
        offer = http.get("/api/v2/providers", params={"rentable": True, "spot": False, "per_page": 1}).json()["offers"][
            0
        ]

        async def scenario(rental: dict[str, Any]) -> None:
            path = f"/rentals/{rental['rental_id']}/"
            async with connected(environment, path, token=token_of(cloud, "pro")) as owner:
                await owner.until(lambda m: m["type"] == "rental_status" and m["status"] == "ready")
                assert owner.heard[-1]["health"] == "healthy"
                assert owner.heard[-1]["utilization"] is None
                await asyncio.to_thread(ready, http, rental)
                await asyncio.to_thread(http.delete, f"/api/v2/rentals/{rental['rental_id']}")
                await owner.until(lambda m: m.get("event") == "RentalEnded")
                assert owner.heard[-1]["status"] == "ended"
            async with connected(environment, token=token_of(cloud, "enterprise")) as stranger:
                assert (await stranger.subscribe(f"rental:{rental['rental_id']}"))["code"] == "channel-not-found"

        with rented(http, offer_id=offer["offer_id"], max_total_price=offer["price_per_hour"] * 1.5) as rental:
            asyncio.run(scenario(rental))
            over(http, rental)


def test_an_alert_reaches_its_owner(cloud):  # J2.7 (273)
    async def scenario():
        environment = cloud.environment
        user = environment["credentials"]["pro"]["user_id"]
        async with (
            connected(environment, token=token_of(cloud, "pro")) as owner,
            connected(environment, token=token_of(cloud, "enterprise")) as stranger,
        ):
            for listener in (owner, stranger):
                await listener.subscribe("alerts")
            publish(environment, alert_triggered(tenant=user, user=user))
            assert (await owner.of_type("price_alert"))["alert_id"] == "alr_1"
            await stranger.say(type="ping")
            await stranger.of_type("pong")
            assert not [m for m in stranger.heard if m["type"] == "price_alert"]

    asyncio.run(scenario())


def test_what_a_client_leaves_behind_is_cleaned_up(cloud):  # R11.7 (243)
    table = kept(cloud)

    def there(connection_id: str) -> set[str]:
        items = table.scan()["Items"]
        return {item["pk"].split("#")[0] for item in items if connection_id in (item["sk"], item["pk"].split("#")[-1])}

    async def scenario() -> str:
        async with connected(cloud.environment) as somebody:
            await somebody.subscribe("price_updates")
            connection_id = str(somebody.heard[0]["connection_id"])
            assert there(connection_id) == {"CONNECTION", "CHANNEL", "SOCKETS"}
            return connection_id

    connection_id = asyncio.run(scenario())
    assert eventually(lambda: there(connection_id), lambda found: not found, seconds=10) == set()


def ticket(http: httpx.Client) -> str:
    answer = http.post("/api/v2/providers/stream/tickets")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


def test_an_event_source_sees_every_event_once_and_in_order(cloud):  # R14.3, J3.4, 338 (258, 278)
    environment = cloud.environment
    with client(environment, "enterprise") as http, client(environment) as browser:
        url = ticket(http)

        def ask(last_event_id: str) -> Reply:
            headers = {"last-event-id": last_event_id} if last_event_id else {}
            answer = browser.get(url, headers=headers)
            return Reply(answer.status_code, answer.headers.get("content-type", ""), answer.text)

        source = EventSource(ask)
        source.connect()
        names = [f"sse-{number}" for number in range(12)]
        for name in names:
            publish(environment, moved(name))
            source.connect()

        def heard() -> list[str]:
            source.connect()
            return [
                one["offer_id"] for one in map(json.loads, (event.data for event in source.events)) if "offer_id" in one
            ]

        found = eventually(heard, lambda some: set(names) <= set(some), seconds=PATIENCE)
        assert sorted(name for name in found if name.startswith("sse-")) == sorted(names)
        sequences = [json.loads(event.data)["sequence"] for event in source.events]
        assert sequences == sorted(set(sequences))
        second = EventSource(lambda last: ask(""))
        second.connect()
        assert second.closed, "the ticket is used"


PAGE = """<!doctype html><title>stream</title><script>
const source = new EventSource(%r);
source.onmessage = (event) => fetch("/heard", {method: "POST", body: event.data});
source.onopen = () => fetch("/opened", {method: "POST"});
source.onerror = () => { if (source.readyState === 2) fetch("/closed", {method: "POST"}); };
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here; the client of WHATWG's rules is above")
def test_a_plain_event_source_of_a_browser_sees_every_event_once_and_in_order(cloud, tmp_path: Path):
    """The same in Chromium, on a page of another origin, over several reconnects of its own."""
    environment = cloud.environment
    heard: list[dict[str, Any]] = []
    closed: list[str] = []
    opened = threading.Semaphore(0)
    with client(environment, "pro") as http:
        url = environment["base_url"] + ticket(http)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (PAGE % url).encode() if self.path == "/" else b""
            self._answer(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path == "/heard":
                heard.append(json.loads(body))
            elif self.path == "/opened":
                opened.release()
            else:
                closed.append(self.path)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """The test's output is the test's."""

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with chromium(tmp_path, f"http://127.0.0.1:{site.server_port}/"), site:
        assert opened.acquire(timeout=60), "the stream was not opened"
        names = [f"chromium-{number}" for number in range(15)]
        for number, name in enumerate(names):
            publish(environment, moved(name))
            if number % 3 == 2:
                assert opened.acquire(timeout=20), "it did not come back by itself"
        mine = eventually(
            lambda: [one["offer_id"] for one in heard if one.get("offer_id", "").startswith("chromium-")],
            lambda some: set(names) <= set(some),
            seconds=30,
        )
        assert len(mine) == len(names)
        sequences = [one["sequence"] for one in heard]
        assert len(sequences) == len(set(sequences))
        assert not closed
        site.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")
def test_the_home_page_shows_a_price_that_moves_without_being_loaded_again(cloud, tmp_path: Path):  # J1.1, J1.4 (264)
    async def scenario(page: Page) -> None:
        assert "move" in await page.shows("document.getElementById('live').textContent")
        offer_id = await page.shows("document.querySelector('#offers tr')?.dataset.offer ?? ''")
        publish(cloud.environment, moved(offer_id, old_price=2.0, new_price=0.1234))
        price = f"""document.querySelector('tr[data-offer="{offer_id}"] .price.down')?.textContent ?? ''"""
        assert await page.shows(price) == "$0.1234"

    with chromium(tmp_path, cloud.base_url + "/") as browser:
        asyncio.run(browser.play(scenario))
