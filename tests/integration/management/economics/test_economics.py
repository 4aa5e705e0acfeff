"""The economic metrics on moto: counted once, told to administrators only. # 419, 450"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import botocore.client
import pytest

from gpubroker.composition import economics as composition
from gpubroker.edge import http, rate_limits
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.shared_window import Policy
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.management.economics.counters import Economics
from tests.unit.management.economics.facts import ADA, BOB, SELLER, ended, event, posted, reversed_, settled

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
CALLERS = {
    "admin": Caller(Role.ADMIN, "usr_admin", "usr_admin", Plan.ENTERPRISE),
    "user": Caller(Role.USER, "usr_ada", "usr_ada", Plan.ENTERPRISE),
    "service": Caller(Role.SERVICE, "svc_1", "svc_1", Plan.ENTERPRISE, frozenset({"management:read", "internal:*"})),
}


class House:
    """Facts in, the report out."""

    def __init__(self, table: Any) -> None:
        self.table, self.calls = table, Counter[str]()
        self.now = NOW

    def told(self, *events: Any) -> list[str]:
        """Messages of the queue; the ids of those that failed."""
        empty = dict.fromkeys(("md5OfBody", "eventSource", "eventSourceARN", "awsRegion"), "")
        common = {"receiptHandle": "r", "attributes": {}, "messageAttributes": {}, **empty}
        records = [{"messageId": f"m-{number}", "body": json.dumps(one), **common} for number, one in enumerate(events)]
        answer = import_module("management.count_economics").handler({"Records": records}, None)
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def ask(self, query: str = "", who: str = "admin") -> SimpleNamespace:
        request = {
            "version": "2.0",
            "headers": {"x-role": who},
            "requestContext": {"http": {"method": "GET", "path": "?", "sourceIp": "192.0.2.1"}, "requestId": "req-1"},
            "rawPath": "/api/management/integration/economics",
            "pathParameters": {},
            "rawQueryString": query,
            "body": None,
            "isBase64Encoded": False,
        }
        answer = import_module("management.get_economics").handler(request, None)
        return SimpleNamespace(status=answer["statusCode"], json=json.loads(answer["body"]))

    def report(self, query: str = "since=2026-07-15&until=2026-07-16") -> dict[str, Any]:
        answer = self.ask(query)
        assert answer.status == 200, answer.json
        told: dict[str, Any] = answer.json
        return told


@pytest.fixture
def house(table: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    ready = House(table)
    real = botocore.client.BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        ready.calls[operation] += 1
        return real(client, operation, arguments)

    generous = Limiter(lambda: None, policies={plan: Policy(1_000_000) for plan in Plan})
    monkeypatch.setattr(rate_limits, "limiter", lambda: generous)
    monkeypatch.setattr(http, "identify", lambda event, headers: CALLERS.get(headers["x-role"], Caller(Role.ANONYMOUS)))
    monkeypatch.setattr("gpubroker.kernel.time.utc_now", lambda: ready.now)
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counted)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    composition.economics_desk.cache_clear()
    yield ready
    composition.economics_desk.cache_clear()


def test_a_day_of_trade_is_told_to_the_micro_dollar(house: House) -> None:
    facts = [
        posted(("house:clearing", ADA, 50_000_001), event_id="evt_1"),
        posted((ADA, "escrow:ren_1", 1_000_000), event_id="evt_2"),
        posted(("escrow:ren_1", SELLER, 990_050), ("escrow:ren_1", "house:fees", 9_950), event_id="evt_3"),
        settled("evt_4"),
        ended("evt_5", seconds=(1800, 100), gpus=8),
        posted((SELLER, "house:clearing", 990_000), event_id="evt_6"),
        reversed_("evt_7", refund=500_000, fees=(2_000, 1_999)),
        posted((BOB, "house:clearing", 3), event_id="evt_8"),
    ]
    assert house.told(*facts) == []
    report = house.report()
    (day,) = report["periods"]
    assert (day["start"], day["end"]) == ("2026-07-15", "2026-07-16")
    exact = {
        "grossVolume": 1_000_000,
        "sellerNet": 990_050,
        "buyerFees": 4_975,
        "sellerFees": 4_975,
        "feesEarned": 4_975 + 4_975 - 2_000 - 1_999,
        "refunds": 500_000,
        "deposits": 50_000_001,
        "withdrawals": 3,
        "payouts": 990_000,
        "spending": 1_000_000,
        "rentalCharges": 1_000_000,
    }
    assert {name: day[f"{name}_micros"] for name in exact} == exact
    assert (day["deposits"], day["withdrawals"]) == (50.000001, 0.000003)
    assert (day["settlements"], day["reversals"], day["transfers"], day["rentalsEnded"]) == (1, 1, 5, 1)
    assert (day["usageSeconds"], day["usageHours"], day["gpuSeconds"]) == (1900, 0.527778, 15_200)
    assert day["activePayers"] == 1
    assert report["totals"] == day | {"activePayers": None}
    assert (report["success"], report["currency"], report["granularity"]) == (True, "USD", "day")


def test_however_often_and_in_whatever_order_facts_come_each_counts_once(house: House) -> None:
    dice = random.Random(7)
    facts = [
        one
        for number in range(12)
        for one in (
            posted((f"usr_{number % 5}", "escrow:1", 10**6 + number), event_id=f"evt_t{number}"),
            settled(f"evt_s{number}", amount=10**6 * number, fees=(number, 2 * number)),
            ended(f"evt_e{number}", seconds=(number,)),
        )
    ]
    sent = [*facts, *dice.choices(facts, k=30)]
    dice.shuffle(sent)
    for start in range(0, len(sent), 10):
        composition.economics_desk.cache_clear()  # another process each time
        assert house.told(*sent[start : start + 10]) == []
    (day,) = house.report()["periods"]
    assert day["spending_micros"] == 12 * 10**6 + 66
    assert day["grossVolume_micros"] == 66 * 10**6 + 66
    assert (day["buyerFees_micros"], day["sellerFees_micros"], day["usageSeconds"]) == (66, 132, 66)
    assert (day["activePayers"], day["settlements"]) == (5, 12)


def test_a_fact_of_another_day_counts_there_and_days_without_any_are_zeros(house: House) -> None:
    house.told(settled("evt_1", at="2026-07-12T23:59:59.999Z"), settled("evt_2", at="2026-07-14T00:00:00.000Z"))
    report = house.report("since=2026-07-12&until=2026-07-15")
    assert [day["settlements"] for day in report["periods"]] == [1, 0, 1]
    assert report["totals"]["settlements"] == 2
    assert [day["start"] for day in report["periods"]] == ["2026-07-12", "2026-07-13", "2026-07-14"]


def test_payers_are_counted_once_a_day_and_once_a_month(house: House) -> None:
    house.now = datetime(2026, 8, 2, tzinfo=UTC)
    days = ("2026-06-30", "2026-07-01", "2026-07-01", "2026-07-02")
    for number, (day, who) in enumerate(zip(days, (ADA, ADA, BOB, ADA), strict=True)):
        told = [posted((who, "escrow:1", 5), event_id=f"evt_{number}_{again}", at=f"{day}T10:00:00Z") for again in "ab"]
        assert house.told(*told) == []
    by_day = house.report("since=2026-06-30&until=2026-07-03")["periods"]
    assert [day["activePayers"] for day in by_day] == [1, 2, 1]
    months = house.report("since=2026-06-30&until=2026-08-01&granularity=month")["periods"]
    assert [(one["start"], one["end"], one["activePayers"]) for one in months] == [
        ("2026-06-30", "2026-07-01", None),  # of a part of a month nobody has counted them
        ("2026-07-01", "2026-08-01", 2),
    ]
    assert [one["spending_micros"] for one in months] == [10, 30]
    running = house.report("since=2026-08-01&granularity=month")["periods"]
    assert [(one["start"], one["activePayers"]) for one in running] == [("2026-08-01", 0)]


def test_two_who_count_the_same_payer_at_once_count_it_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, raced = Economics._write, []

    def overtaken(self: Economics, fact: Any, new: Any) -> None:
        if not raced:
            raced.append(True)
            other = Economics(clock=lambda: NOW)
            assert house.told(posted((ADA, "escrow:1", 5), event_id="evt_other")) == []
            assert other is not self
        real(self, fact, new)

    monkeypatch.setattr(Economics, "_write", overtaken)
    assert house.told(posted((ADA, "escrow:1", 7), event_id="evt_mine")) == []
    (day,) = house.report()["periods"]
    assert (day["activePayers"], day["spending_micros"], day["transfers"]) == (1, 12, 2)


def test_one_bad_fact_costs_the_others_nothing(house: House) -> None:
    bad = event("TransferPosted", "ledger", "evt_bad", legs=[{"debit": ADA}])
    assert house.told(settled("evt_1"), bad, settled("evt_2")) == ["m-1"]
    assert house.report()["totals"]["settlements"] == 2


def test_a_fact_costs_one_transaction_and_at_most_one_read_of_a_new_payer_and_period(house: House) -> None:
    house.told(posted((ADA, "escrow:1", 5), event_id="evt_1"))
    house.calls.clear()
    house.told(posted((ADA, "escrow:1", 5), event_id="evt_2"), settled("evt_3"))
    assert house.calls == {"TransactWriteItems": 2}
    house.told(posted((BOB, "escrow:1", 5), event_id="evt_4"))
    assert house.calls == {"TransactWriteItems": 3, "GetItem": 2}


def test_a_report_of_a_year_is_a_query_a_shard(house: House) -> None:
    house.calls.clear()
    report = house.report("since=2025-07-16&until=2026-07-16")
    assert len(report["periods"]) == 365
    assert house.calls == {"Query": 8}


def test_by_default_it_is_the_last_thirty_days_today_included(house: House) -> None:
    report = house.report("")
    assert (report["since"], report["until"], len(report["periods"])) == ("2026-06-16", "2026-07-16", 30)


def test_moments_stand_for_their_days_in_utc(house: House) -> None:
    report = house.report("since=2026-07-10T23:30:00-02:00&until=2026-07-12T00:00:00Z")
    assert (report["since"], report["until"]) == ("2026-07-11", "2026-07-12")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=2026-07-15&until=2026-07-15", "until"),
        ("since=2026-07-15&until=2026-07-01", "until"),
        ("since=2026-08-01", "since"),
        ("until=2026-07-20", "until"),
        ("since=2025-01-01&until=2026-07-01", "since"),
        ("since=1999-01-01&until=1999-02-01", "since"),
        ("since=yesterday", "since"),
        ("since=2026-02-30", "since"),
        ("since=2026-07-10T10:00:00", "since"),
        ("granularity=hour", "granularity"),
        ("since=2026-07-01&since=2026-07-02", "since"),
        ("from=2026-07-01", "from"),
    ],
)
def test_a_bad_range_is_refused_by_name(house: House, query: str, field: str) -> None:
    refused = house.ask(query)
    assert 400 <= refused.status < 500, refused.json
    assert refused.json["success"] is False
    assert field in refused.json["error"]


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("user", 403), ("service", 403)])
def test_only_administrators_see_it(house: House, who: str, status: int) -> None:
    refused = house.ask("", who)
    assert (refused.status, refused.json["success"]) == (status, False)


def test_marks_and_payers_go_by_themselves(house: House, table: Any) -> None:
    house.told(posted((ADA, "escrow:1", 5), event_id="evt_1"))
    gone = {item["pk"]: int(item["expires_at"]) for item in table.scan()["Items"] if "expires_at" in item}
    assert set(gone) == {"ECONOMICS#EVENT#evt_1", f"{ADA}#PAID"}
    assert all(moment > (NOW + timedelta(days=30)).timestamp() for moment in gone.values())
