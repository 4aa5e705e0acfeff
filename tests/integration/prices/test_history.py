"""History on a table: kept once, rolled up again and again, gaps that are gaps, bounded reads. # 280, 349"""

from datetime import UTC, datetime, timedelta

import botocore.client
import pytest

from gpubroker.edge import cursors
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.time import iso
from gpubroker.prices.history.reading import History
from gpubroker.prices.history.recording import record_changes, record_market
from gpubroker.prices.history.requests import HistoryFields
from gpubroker.prices.history.rollups import due, roll_up
from gpubroker.prices.ports import MarketPrice
from tests.unit.prices.changing import change

NOW = datetime(2026, 5, 24, 10, 30, tzinfo=UTC)
CALLER = Caller(Role.USER, "usr_1", "usr_1", Plan.FREE)
HOUR = timedelta(hours=1)


class Names:
    def gpu(self, text):
        return text.upper()

    def region(self, text):
        return text.lower()


def at(moment):
    return round(moment.timestamp() * 1000)


def update(offer, price, moment, **more):
    """As a `PricesUpdated` event tells it."""
    told = {"sequence": 1, "change_percent": 1.0, "significant": False, "anomaly": False, "z_score": None}
    return change(f"off-{offer}", price, at_ms=at(moment)) | told | more


def seen(offer, price, **more):
    told = {"provider": "vastai", "gpu_type": "H100", "region": "us-east", "spot": False}
    return MarketPrice(offer_id=f"off-{offer}", micros=price, **told | more)


def look(prices, now):
    """A look at the market, which another one in the same hour would not repeat."""
    return record_market(lambda: prices, now)


def roll_all(now):
    while jobs := list(due(now)):
        done = [roll_up(job, lambda: now) for job in jobs]
        if not any(job["kind"] == "hour" for job in jobs):
            return done
    return []


def page(now=NOW, **asked):
    fields = HistoryFields.model_validate(asked)
    return History(Names(), cursors, lambda: now).page(fields, CALLER)


@pytest.fixture(autouse=True)
def _table(table):
    return table


def test_an_offers_raw_points_come_in_order_once_and_in_pages():
    changes = [update("a", 2_000_000 + n, NOW - timedelta(minutes=10 - n)) for n in range(9)]
    record_changes(changes, NOW)
    record_changes(changes[::-1], NOW)  # a second delivery
    first = page(offer_id="off-a", days=1, limit=5)
    assert first.resolution == "raw"
    rest = page(offer_id="off-a", days=1, limit=5, cursor=first.next_cursor)
    assert [point.price_micros for point in [*first.points, *rest.points]] == [2_000_000 + n for n in range(9)]
    assert rest.next_cursor is None
    with pytest.raises(Invalid, match="cursor"):
        page(offer_id="off-b", days=1, limit=5, cursor=first.next_cursor)


def test_hours_have_lowest_median_highest_and_last_and_gaps_are_gaps():
    start = datetime(2026, 5, 24, 6, tzinfo=UTC)
    for minute, price in ((0, 3), (10, 1), (20, 2), (50, 8)):
        record_changes([update("a", price * 1_000_000, start + timedelta(minutes=minute))], NOW)
    look([seen("a", 8_000_000)], start + 2 * HOUR)  # nobody looked at 7
    roll_all(NOW)
    found = page(gpu="h100", resolution="hourly", **{"from": iso(start), "to": iso(start + 3 * HOUR)})
    hour, gap, constant = found.points
    assert (hour.min, hour.median, hour.max, hour.last, hour.samples, hour.offers) == (1.0, 2.5, 8.0, 8.0, 4, 1)
    assert (gap.gap, gap.min, gap.median_micros, gap.samples) == (True, None, None, 0)
    assert (constant.gap, constant.min, constant.last, constant.samples) == (False, 8.0, 8.0, 1)
    assert (found.gaps, found.gpu) == (1, "H100")


@pytest.mark.parametrize(
    ("asked", "lowest", "offers"),
    [
        ({}, 1.0, 4),
        ({"provider": "runpod"}, 3.0, 2),
        ({"region": "us-east"}, 1.0, 2),
        ({"region": "us"}, 1.0, 3),
        ({"spot": "true"}, 4.0, 1),
        ({"provider": "runpod", "region": "eu-west", "spot": "true"}, 4.0, 1),
    ],
)
def test_a_part_of_the_market_has_its_own_history(asked, lowest, offers):
    look(
        [
            seen("a", 1_000_000),
            seen("b", 2_000_000, region="us-west"),
            seen("c", 3_000_000, provider="runpod"),
            seen("d", 4_000_000, provider="runpod", region="eu-west", spot=True),
            seen("e", 500_000, gpu_type="A100"),
        ],
        NOW - 3 * HOUR,
    )
    roll_all(NOW)
    (bucket,) = page(
        gpu="H100", resolution="hourly", **{"from": iso(NOW - 3 * HOUR), "to": iso(NOW - 2.5 * HOUR)}, **asked
    ).points[:1]
    assert (bucket.min, bucket.offers) == (lowest, offers)


def test_a_day_is_made_of_its_observations_and_a_late_change_makes_it_anew():
    yesterday = datetime(2026, 5, 23, tzinfo=UTC)
    for hour, price in ((1, 1), (2, 1), (3, 1), (4, 9), (4, 10)):
        record_changes([update("a", price * 1_000_000, yesterday + hour * HOUR + price * timedelta(minutes=1))], NOW)
    roll_all(NOW)
    asked = {"gpu": "H100", "resolution": "daily", "from": "2026-05-22T00:00:00Z"}
    before, day, today = page(**asked).points
    assert (before.gap, today.gap, today.partial) == (True, True, True)
    assert (day.min, day.median, day.max, day.last, day.samples) == (1.0, 1.0, 10.0, 10.0, 5)
    record_changes([update("b", 7_000_000, yesterday + 23.9 * HOUR), update("b", 8_000_000, yesterday + 5 * HOUR)], NOW)
    roll_all(NOW)
    assert (page(**asked).points[1].median, page(**asked).points[1].last) == (7.0, 7.0)
    assert roll_all(NOW) == [], "nothing is due any more"


def test_an_offer_has_its_days_and_hours_after_they_are_over_and_before():
    yesterday = datetime(2026, 5, 23, tzinfo=UTC)
    look([seen("a", 2_000_000), seen("b", 1)], yesterday + 5 * HOUR)
    record_changes([update("a", 3_000_000, yesterday + 6 * HOUR)], NOW)
    roll_all(NOW)
    look([seen("a", 3_000_000), seen("b", 1)], NOW - 2 * HOUR)
    hours = page(offer_id="off-a", resolution="hourly", **{"from": "2026-05-23T04:00:00Z"})
    told = {point.start[:13]: point.last for point in hours.points if not point.gap}
    assert told == {"2026-05-23T05": 2.0, "2026-05-23T06": 3.0, "2026-05-24T08": 3.0}
    days = page(offer_id="off-a", days=2, resolution="daily").points
    assert [(day.min, day.max, day.samples) for day in days] == [(None, None, 0), (2.0, 3.0, 2), (3.0, 3.0, 1)]


def test_what_happens_now_is_in_the_answer_before_it_is_rolled_up():
    record_changes([update("a", 1_500_000, NOW - timedelta(minutes=1))], NOW)
    for resolution in ("hourly", "daily"):
        last = page(gpu="H100", days=1, resolution=resolution).points[-1]
        assert (last.last, last.partial) == (1.5, True)


def test_a_run_that_died_leaves_its_marker_and_the_next_one_does_it_again(monkeypatch):
    look([seen("a", 1_000_000)], NOW - 2 * HOUR)
    (job,) = list(due(NOW))
    with monkeypatch.context() as broken:
        real = botocore.client.BaseClient._make_api_call

        def dies(client, operation, given):
            if operation == "DeleteItem":
                raise ConnectionError("died")
            return real(client, operation, given)

        broken.setattr(botocore.client.BaseClient, "_make_api_call", dies)
        with pytest.raises(ConnectionError):
            roll_up(job, lambda: NOW)
    assert job in list(due(NOW))
    record_changes([update("a", 2_000_000, NOW - 2 * HOUR)], NOW)
    roll_up(job, lambda: NOW)
    assert [one["kind"] for one in due(NOW)] == ["day", "hour"], "an hour that was marked anew stays due"


def test_a_job_that_is_redriven_days_later_leaves_figures_as_they_are(table):
    """Its queue keeps it for two weeks, and observations go after four days, one after the other."""
    day = datetime(2026, 5, 23, tzinfo=UTC)
    for hour, price in ((1, 1_000_000), (20, 9_000_000)):
        record_changes([update("a", price, day + hour * HOUR)], NOW)
    roll_all(NOW)
    jobs = [{"kind": kind, "start": "2026-05-23", "gpu_type": "H100", "stamp": "due_old"} for kind in ("day", "final")]
    later = day + timedelta(days=4, hours=2)
    for item in table.scan()["Items"]:
        if item["pk"].startswith("HOUR#2026-05-23T01"):
            table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    assert [roll_up(job, lambda: later) for job in jobs] == [0, 0]
    span = {"from": iso(day), "to": iso(day + 24 * HOUR), "resolution": "daily"}
    for asked in ({"gpu": "H100"}, {"offer_id": "off-a"}):
        (bucket,) = page(now=later, **asked, **span).points
        assert (bucket.min, bucket.max, bucket.samples) == (1.0, 9.0, 2)


def test_a_year_of_days_is_one_bounded_query(calls):
    look([seen("a", 1_000_000)], NOW - 3 * HOUR)
    roll_all(NOW)
    calls.clear()
    found = page(gpu="H100", days=365)
    assert (found.resolution, len(found.points), found.gaps) == ("daily", 366, 365)
    assert calls["Scan"] == 0
    assert sum(calls.values()) <= 3


def test_pages_of_buckets_meet_without_a_hole():
    whole = [point.start for point in page(gpu="H100", days=10, resolution="hourly").points]
    starts, cursor = [], None
    while True:
        part = page(gpu="H100", days=10, resolution="hourly", limit=50, **({"cursor": cursor} if cursor else {}))
        starts += [point.start for point in part.points]
        cursor = part.next_cursor
        if cursor is None:
            break
    assert starts == whole
    assert len(whole) == 241


@pytest.mark.parametrize(("span", "first"), [(timedelta(days=2), "raw"), (timedelta(days=14), "hourly")])
def test_the_pages_of_a_span_that_grows_are_of_one_resolution(span, first):
    """`from` without `to`: between two pages the span grows past the one that a resolution is chosen by."""
    record_changes([update("a", 2_000_000 + n, NOW - timedelta(minutes=10 - n)) for n in range(9)], NOW)
    asked = {"offer_id": "off-a", "from": iso(NOW - span), "limit": 5}
    page_one = page(**asked)
    page_two = page(now=NOW + timedelta(minutes=1), cursor=page_one.next_cursor, **asked)
    assert (page_one.resolution, page_two.resolution) == (first, first)
    starts = [getattr(one, "timestamp", None) or one.start for one in (*page_one.points, *page_two.points)]
    assert len({*starts}) == len(starts) > 5
    assert starts == sorted(starts)


def test_what_is_past_its_retention_is_not_shown_though_it_is_still_there(table):
    record_changes([update("a", 1_500_000, NOW - timedelta(days=6))], NOW)
    assert len(page(offer_id="off-a", resolution="raw", days=30).points) == 1
    later = NOW + timedelta(days=2)
    found = page(now=later, offer_id="off-a", resolution="raw", days=30)
    assert found.points == []
    assert found.since == iso(later - timedelta(days=7))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"gpu": "H100", "gpu_type": "H100"},
        {"gpu": "H100", "resolution": "raw"},
        {"gpu": "H100", "days": 0},
        {"gpu": "H100", "days": 731},
        {"gpu": "H100", "days": 3, "from": "2026-05-01T00:00:00Z"},
        {"gpu": "H100", "to": "2026-05-01T00:00:00Z"},
        {"gpu": "H100", "from": "2026-05-02T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
        {"gpu": "H100", "from": "2026-05-02T00:00:00"},
        {"offer_id": "abc", "provider": "vastai"},
        {"gpu": "H100", "limit": 1001},
    ],
)
def test_what_makes_no_sense_is_refused(asked):
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        HistoryFields.model_validate(asked)


def test_a_span_that_has_not_begun_is_refused():
    with pytest.raises(Invalid, match="future"):
        page(gpu="H100", **{"from": iso(NOW + HOUR)})


def test_the_market_is_looked_at_once_an_hour_and_again_when_there_was_nothing_to_see():
    assert look([], NOW) == 0
    assert look([seen("a", 1_000_000)], NOW) == 1
    assert record_market(lambda: pytest.fail("asked in vain"), NOW + timedelta(minutes=5)) == 0
    assert look([seen("a", 1_000_000)], NOW + HOUR) == 1
