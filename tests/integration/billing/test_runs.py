"""Whom a run looks at, and that it is started once (418, 441)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import orjson
import pytest

from gpubroker.billing.invoices import runs
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.runs import Plan, UsageMonths
from gpubroker.composition import invoices as composition
from gpubroker.usage.event import METRICS, Usage
from gpubroker.usage.stream import packed
from tests.integration.billing.invoicing import OCTOBER, World

OCT_10 = datetime(2026, 10, 10, 12, tzinfo=UTC)


@pytest.fixture
def world(make_table: Any) -> Iterator[World]:
    make_table("billing")
    make_table("ledger")
    return World()


def planned(plan: Plan, **event: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    page: dict[str, Any] = event
    while True:
        page = plan.page(page)
        found += [(one["account_id"], one["period"]) for one in page["work"]]
        if not page["more"]:
            return found


def test_a_run_looks_at_accounts_with_charges_or_usage_of_the_month_before(world: World) -> None:
    world.deposit(10_000_000)
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    UsageMonths(clock=world.clock).note([("usr_ben", OCT_10), ("usr_ben", OCT_10)])
    plan = Plan(clock=world.clock)
    assert planned(plan) == [("usr_anna", "2026-10"), ("usr_ben", "2026-10")]
    world.run()
    assert planned(plan, period="2026-11") == [("usr_ben", "2026-11")], "late usage is billed by the month it came in"
    assert planned(plan, period="2026-09") == []


def test_a_month_that_was_left_open_has_its_invoice_in_the_next_run(world: World) -> None:
    world.deposit(10_000_000)
    world.rental_ended("ren_1", 1_000_000, "2026-10-20T10:00:00.000Z")
    plan = Plan(clock=world.clock)
    assert planned(plan, period="2026-11") == [("usr_anna", "2026-10")]
    world.run()
    assert planned(plan, period="2026-11") == []
    assert planned(plan) == [], "and a month that is closed is left alone"


def test_many_accounts_come_in_pages_and_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PAGE", 7)
    names = [f"usr_{number:03d}" for number in range(30)]
    UsageMonths(clock=world.clock).note([(name, OCT_10) for name in names])
    assert planned(Plan(clock=world.clock)) == [(name, "2026-10") for name in names]


def test_one_account_is_run_by_itself(world: World) -> None:
    plan = Plan(clock=world.clock)
    assert planned(plan, period="2026-11", account_id="usr_anna") == [("usr_anna", "2026-11")]


def test_usage_is_noted_from_the_stream_once_in_the_life_of_a_process(world: World) -> None:
    months = UsageMonths(clock=world.clock)
    assert months.note([("usr_anna", OCT_10)]) == 2
    assert months.note([("usr_anna", OCT_10)]) == 0
    assert UsageMonths(clock=world.clock).note([("usr_anna", OCT_10)]) == 2, "another process asks the table"


def test_a_record_says_whose_usage_it_is_and_a_bad_one_is_nobodys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    months = UsageMonths(clock=world.clock)
    monkeypatch.setattr(composition, "usage_months", lambda: months)
    start = int(OCT_10.timestamp() * 1000)
    metrics = (1_000_000,) * len(METRICS)
    events = [
        Usage("i-1", "usr_anna", None, start, 30_000, 0, None, metrics),
        Usage("i-2", "usr_anna", "org_1", start, 30_000, 0, None, metrics),
    ]
    for _, record in packed(events, start):
        composition.note_usage(record)
    plain = [{"user_id": "usr_ben", "period": {"start": "2026-10-10T12:00:00Z"}}, {"user_id": "usr_x"}, 5]
    composition.note_usage(orjson.dumps(plain))
    composition.note_usage(b"no record of ours")
    found = planned(Plan(clock=world.clock))
    assert found == [("org_1", "2026-10"), ("usr_anna", "2026-10"), ("usr_ben", "2026-10")]


def test_a_run_is_started_once_for_an_event(monkeypatch: pytest.MonkeyPatch, aws: None) -> None:
    started: list[dict[str, Any]] = []

    class Exists(Exception):
        pass

    class StepFunctions:
        exceptions = type("Exceptions", (), {"ExecutionAlreadyExists": Exists})

        def start_execution(self, **given: Any) -> None:
            if given["name"] in [one["name"] for one in started]:
                raise Exists
            started.append(given)

    monkeypatch.setenv("PERIOD_TO_INVOICES_STATE_MACHINE", "arn:machine")
    monkeypatch.setattr(runs, "_step_functions", StepFunctions)
    schedule = {"id": "6a7e8feb", "detail-type": "Scheduled Event", "detail": {}}
    detail = {"event_id": "evt_1", "period": "2026-10", "account_id": None, "by": "usr_boss"}
    asked = {"id": "other-every-time", "detail-type": "InvoiceRunRequested", "detail": detail}
    for event in (schedule, schedule, asked, {**asked, "id": "again"}):
        runs.start(event)
    assert [json.loads(one["input"]) for one in started] == [{}, {"period": "2026-10"}]


def test_without_a_month_it_is_the_one_before(world: World) -> None:
    assert Plan(clock=world.clock).page({})["period"] == str(OCTOBER)
    world.now = datetime(2027, 1, 1, 6, tzinfo=UTC)
    assert Plan(clock=world.clock).page({})["period"] == str(Period(2026, 12))


def test_what_has_nothing_to_bill_has_no_invoice(world: World) -> None:
    assert world.drafting.draft(world.account_id, OCTOBER) is None
    world.use(OCT_10, "ren_1.m1", gpu_seconds=3600)
    assert world.drafting.draft(world.account_id, OCTOBER) is None, "the rental pays for it"
    assert boto3.resource("dynamodb").Table("billing").scan()["Items"] == []
