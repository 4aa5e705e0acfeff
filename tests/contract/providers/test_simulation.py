"""The simulation itself: what it sells, what its control API does, and that its instances outlive a restart."""

import asyncio
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.providers.app import SERVICES, create_app
from infra.local.providers.faults import KINDS
from infra.local.providers.keys import CUSTOMER, account_of, account_of_client, local_keys
from infra.local.providers.world import facts, list_prices


class InProcess:
    """Calls an ASGI app without a socket."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app=app)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, json: Any) -> httpx.Response:
        return self.request("POST", path, json=json)


def client(**settings: Any) -> InProcess:
    return InProcess(create_app(**settings))


def test_every_price_of_the_catalogue_has_its_page_and_its_day() -> None:
    assert facts()["as_of"] == "2026-05-24"
    assert len(list_prices()) > 150
    assert all(row["source"].startswith("https://") for row in facts()["prices"])
    assert facts()["azure_source"].startswith("https://")
    assert all(Decimal("0.01") < price.usd_per_gpu_hour < 20 for price in list_prices())


def test_the_same_market_is_made_each_time() -> None:
    def market() -> dict[str, Any]:
        return {slug: service.stock() for slug, service in SERVICES.items()}

    assert market() == market()
    assert {slug: len(shapes) for slug, shapes in market().items()}["vastai"] > 1_400


def test_listed_prices_stay_near_the_published_ones() -> None:
    for price in list_prices():
        if price.seller in ("lambdalabs", "hyperstack", "verda") and not price.spot:
            sold = [
                s
                for s in SERVICES[price.seller].stock()
                if (s.gpu, s.form, s.vram_gb) == (price.gpu, price.form, price.vram_gb)
            ]
            assert sold
            assert min(shape.usd for shape in sold) <= price.usd_per_gpu_hour


def test_each_key_opens_one_account_and_no_other() -> None:
    assert account_of("vastai", local_keys()["vastai"]) == "platform"
    assert account_of("vastai", local_keys(CUSTOMER)["vastai"]) == "customer"
    assert account_of("runpod", local_keys()["vastai"]) is None
    assert account_of_client(local_keys(CUSTOMER)["verda"]) == "customer"
    assert account_of_client({}) is None
    assert local_keys().keys() == SERVICES.keys() - {"akash", "azure", "oci", "ovhcloud"}


def vast(api: InProcess, method: str, path: str, **more: Any) -> httpx.Response:
    return api.request(method, f"/vastai{path}", headers={"authorization": f"Bearer {local_keys()['vastai']}"}, **more)


def test_vastai_filters_orders_and_limits_as_documented() -> None:
    api = client()
    wanted = {
        "gpu_name": {"eq": "RTX 4090"},
        "num_gpus": {"gte": 2},
        "reliability": {"gte": 0.95},
        "rentable": {"eq": True},
        "order": [["dph_total", "asc"]],
        "limit": 5,
    }
    rows = vast(api, "POST", "/api/v0/bundles/", json=wanted).json()["offers"]
    assert len(rows) == 5
    assert all(row["gpu_name"] == "RTX 4090" and row["num_gpus"] >= 2 and row["reliability2"] >= 0.95 for row in rows)
    assert [row["dph_total"] for row in rows] == sorted(row["dph_total"] for row in rows)
    assert len(vast(api, "POST", "/api/v0/bundles/", json={}).json()["offers"]) == 64  # the small default: vast-cli#268


def test_instances_outlive_a_restart_and_their_machines_stay_taken(tmp_path: Path) -> None:
    now = [1_000.0]
    api = client(state_dir=tmp_path, clock=lambda: now[0])
    ask = vast(api, "POST", "/api/v0/bundles/", json={"rentable": {"eq": True}, "limit": 1}).json()["offers"][0]["id"]
    made = vast(api, "PUT", f"/api/v0/asks/{ask}/", json={"image": "ubuntu:22.04", "label": "kept"}).json()[
        "new_contract"
    ]

    now[0] += 10
    again = client(state_dir=tmp_path, clock=lambda: now[0])
    [row] = vast(again, "GET", "/api/v0/instances/").json()["instances"]
    assert (row["id"], row["label"], row["actual_status"]) == (made, "kept", "running")
    assert vast(again, "PUT", f"/api/v0/asks/{ask}/", json={"image": "x"}).json()["error"] == "no_such_ask"
    assert vast(again, "DELETE", f"/api/v0/instances/{made}/").json() == {"success": True}
    assert vast(again, "PUT", f"/api/v0/asks/{ask}/", json={"image": "x"}).json()["success"] is True
    assert vast(client(state_dir=tmp_path), "GET", "/api/v0/instances/").json()["instances_found"] == 1
    assert json.loads((tmp_path / "instances.json").read_text())["serial"] == 2


def test_without_a_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    api = client()
    api.post("/_control/orphans", json={"provider": "vastai"})
    assert list(tmp_path.iterdir()) == []


def test_the_boot_time_is_a_setting() -> None:
    api = client(clock=lambda: 1_000.0)
    api.post("/_control/settings", json={"boot_seconds": 0})
    planted = api.post("/_control/orphans", json={"provider": "vastai"}).json()
    row = vast(api, "GET", f"/api/v0/instances/{planted['instance_id']}/").json()["instances"]
    assert row["actual_status"] == "running"


@pytest.mark.parametrize("slug", SERVICES)
def test_what_is_sold_can_be_looked_at_and_a_key_is_asked_for(slug: str) -> None:
    api = client()
    assert api.get(f"/_control/offers?provider={slug}").json()[slug]
    for operation in SERVICES[slug].operations:
        if operation.needs_key:
            path = operation.path.replace("{id}", "1").replace("{ask}", "1")
            assert api.request(operation.method, f"/{slug}{path}").status_code == 401


def test_documented_intervals_between_calls_hold_when_they_are_switched_on() -> None:
    now = [1_000.0]
    api = client(clock=lambda: now[0])
    headers = {"authorization": f"Bearer {local_keys()['lambdalabs']}"}

    def launch() -> int:
        return api.request(
            "POST", "/lambdalabs/api/v1/instance-operations/launch", headers=headers, json={}
        ).status_code

    assert [launch(), launch()] == [400, 400]
    api.post("/_control/settings", json={"rate_limits": True})
    assert [launch(), launch()] == [400, 429]  # 1 launch in 12 s
    now[0] += 12
    assert launch() == 400
    listed = [api.request("GET", "/lambdalabs/api/v1/instances", headers=headers).status_code for _ in range(2)]
    assert listed == [200, 429]  # 1 request a second
    free = [vast(api, "GET", "/api/v0/instances/") for _ in range(2)]
    assert [one.status_code for one in free] == [200, 429]
    assert free[1].text == "API requests too frequent"


def test_faults_are_taken_in_order_counted_and_cleared() -> None:
    api = client()
    for status in (500, 503):
        api.post("/_control/faults", json={"kind": "status", "status": status, "provider": "azure", "count": 1})
    got = [api.get("/azure/api/retail/prices").status_code for _ in range(3)]
    assert got == [500, 503, 200]
    api.post("/_control/faults", json={"kind": "status", "provider": "azure"})
    assert api.get("/azure/api/retail/prices").status_code == 500
    assert api.request("DELETE", "/_control/faults?provider=azure").json() == {"faults": []}
    assert api.get("/azure/api/retail/prices").status_code == 200
    assert api.get("/_control/calls").json()["azure"] == {"list": 5}
    assert set(api.get("/_control/faults").json()["kinds"]) == set(KINDS)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "earthquake"}),
        ("faults", {"kind": "hang", "who": "me"}),
        ("faults", {}),
        ("prices", {"provider": "nobody", "factor": 2}),
        ("prices", {"provider": "vastai"}),
        ("prices", {"provider": "vastai", "factor": 2, "usd_per_gpu_hour": 1}),
        ("prices", {"provider": "vastai", "factor": "twice"}),
        ("capacity", {"provider": "vastai"}),
        ("orphans", {"provider": "vastai", "gpu": "none such"}),
        ("settings", {"boot_seconds": -1}),
        ("prices", [1]),
    ],
    ids=str,
)
def test_a_mistake_at_the_control_api_is_said(path: str, body: Any) -> None:
    answer = client().post(f"/_control/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_reset_brings_back_prices_stock_and_an_empty_house() -> None:
    api = client()
    before = api.get("/_control/offers").json()
    api.post("/_control/prices", json={"provider": "vastai", "gpu": "H100", "factor": 2})
    api.post("/_control/capacity", json={"provider": "runpod", "stock": 0})
    api.post("/_control/orphans", json={"provider": "vastai"})
    assert api.get("/_control/offers").json() != before
    api.post("/_control/reset", json={})
    assert api.get("/_control/offers").json() == before
    assert api.get("/_control/instances?all=true").json() == {"instances": []}


def test_a_market_of_many_places_and_models() -> None:
    shapes = [shape for service in SERVICES.values() for shape in service.stock()]
    assert len(shapes) > 2_000
    assert len(Counter(shape.gpu for shape in shapes)) > 25
    assert len(Counter(shape.region for shape in shapes)) > 60
