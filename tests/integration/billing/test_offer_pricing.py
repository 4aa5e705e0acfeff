"""GET /internal/v1/providers/pricing/{offer_id}: the price of now, and the average of what was seen (301, 356)."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gpubroker.composition import market
from gpubroker.kernel.time import iso
from gpubroker.offers.offer import Availability, Offer
from gpubroker.prices.history.recording import record_changes, record_market
from gpubroker.prices.history.rollups import due, roll_up
from gpubroker.prices.ports import MarketPrice
from tests.integration.billing.api import NOW, Api, serving
from tests.unit.prices.changing import change

OFFER = "vastai-h100"
HOUR = timedelta(hours=1)


def offer(price: int | None = 4_400_000, **more: Any) -> Offer:
    return Offer(
        offer_id=OFFER,
        provider="vastai",
        provider_offer_id="1",
        source="test",
        gpu_model="H100",
        gpu_count=2,
        price_micros_per_hour=price,
        price_micros_per_gpu_hour=None if price is None else price // 2,
        currency="USD",
        native_price=None,
        fetched_at=NOW - timedelta(minutes=1),
        region="us-east",
        rentable=True,
        **more,
    )


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    make_table("prices")
    listed = {OFFER: offer()}
    monkeypatch.setattr(market, "offer_lookup", lambda: SimpleNamespace(offer=listed.get))
    for api in serving(make_table, monkeypatch):
        api.listed = listed  # type: ignore[attr-defined]
        yield api


def look(price: int, moment: datetime) -> None:
    record_market(lambda: [MarketPrice(OFFER, "vastai", "H100", "us-east", False, price)], moment)


def ask(api: Api, offer_id: str = OFFER, role: str = "service", query: str = "") -> Any:
    return api("get_offer_pricing", role, offer_id=offer_id, query=query)


def test_the_price_of_now_and_the_average_of_the_hours_before(api: Api) -> None:
    """(301)"""
    for hours, price in ((3, 2_000_000), (2, 2_100_001), (1, 2_600_000)):
        look(price, NOW - hours * HOUR)
    told = ask(api).json
    assert told["current_pricing"] == {
        "price_per_hour": 4.4,
        "price_per_hour_micros": 4_400_000,
        "price_per_gpu_hour": 2.2,
        "price_per_gpu_hour_micros": 2_200_000,
        "available": True,
        "rentable": True,
        "priced_at": iso(NOW - timedelta(minutes=1)),
    }
    past = told["historical_average"]
    assert (past["price_per_gpu_hour_micros"], past["price_per_hour_micros"]) == (2_233_334, 4_466_668)
    assert (past["lowest_per_gpu_hour"], past["highest_per_gpu_hour"], past["hours"]) == (2, 2.6, 3)
    assert (past["from"], past["to"]) == (iso(NOW - 3 * HOUR), iso(NOW))
    assert (told["gpu_count"], told["currency"], told["days"]) == (2, "USD", 30)


def test_changes_within_an_hour_count_as_that_hour(api: Api) -> None:
    """(301)"""
    moment = NOW - timedelta(minutes=50)
    told = {"sequence": 1, "change_percent": 1.0, "significant": False, "anomaly": False, "z_score": None}
    changes = [
        change(OFFER, price, at_ms=round((moment + timedelta(minutes=n)).timestamp() * 1000)) | told
        for n, price in enumerate((1_000_000, 3_000_000, 2_000_000))
    ]
    record_changes(changes, NOW)
    past = ask(api).json["historical_average"]
    assert (past["price_per_gpu_hour_micros"], past["hours"]) == (2_000_000, 1)
    assert (past["lowest_per_gpu_hour_micros"], past["highest_per_gpu_hour_micros"]) == (1_000_000, 3_000_000)


def test_days_that_are_over_are_read_from_what_was_rolled_up(api: Api) -> None:
    """(301)"""
    old = NOW - timedelta(days=3)
    look(1_000_000, old)
    look(3_000_000, old + HOUR)
    while jobs := list(due(NOW)):
        for job in jobs:
            roll_up(job, lambda: NOW)
        if not any(job["kind"] == "hour" for job in jobs):
            break
    look(5_000_000, NOW - HOUR)
    assert ask(api).json["historical_average"]["price_per_gpu_hour_micros"] == 3_000_000
    api.calls.clear()
    lately = ask(api, query="days=1").json
    assert (lately["historical_average"]["price_per_gpu_hour_micros"], lately["days"]) == (5_000_000, 1)


def test_what_nobody_knows_is_null_and_an_unknown_offer_is_none(api: Api) -> None:
    """(301)"""
    api.listed[OFFER] = offer(None, availability=Availability.UNAVAILABLE)  # type: ignore[attr-defined]
    told = ask(api).json
    assert told["historical_average"] is None
    assert (told["current_pricing"]["price_per_hour"], told["current_pricing"]["rentable"]) == (None, False)
    assert told["current_pricing"]["available"] is False
    missing = ask(api, "vastai-none")
    assert (missing.status, missing.json["type"].rpartition("#")[2]) == (404, "offer-not-found")


def test_it_is_for_services(api: Api) -> None:
    """(356)"""
    assert ask(api, role="").status == 401
    assert ask(api, role="me").status == 403
    assert api.fields(ask(api, query="days=0")) == ["days"]
    assert api.fields(ask(api, query="days=91")) == ["days"]
    assert api.fields(ask(api, query="since=1")) == ["since"]
