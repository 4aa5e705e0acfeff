"""Every line opens to its events, and every event says where it went (418, 441)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpubroker.billing.invoices.store import InvoiceNotFound
from tests.integration.billing.invoicing import NOVEMBER, World

OCT_10 = datetime(2026, 10, 10, 12, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def world(make_table: Any) -> Iterator[World]:
    make_table("billing")
    make_table("ledger")
    one = World()
    one.deposit(10**8)
    return one


def where(world: World, event_id: str, instance_id: str = "i-1", at: datetime = OCT_10) -> Any:
    hour = at.replace(minute=0)
    found = world.proof.line_of(world.account_id, instance_id, hour, event_id)
    return found.reason or [resource for _, resource in found.lines]


def test_a_line_opens_to_the_events_that_it_is_made_of_and_each_of_them_names_it(world: World) -> None:
    first = [world.use(OCT_10 + n * HOUR, gpu_seconds=60, cpu_seconds=10) for n in range(3)]
    other = world.use(OCT_10, cpu_seconds=3600)
    invoice = world.run()
    lines = {line.resource: line for line in world.invoices.lines(invoice)}
    gpu = world.proof.events_of(invoice, lines["gpu_seconds"].number)
    assert [event["event_id"] for event in gpu.events] == first
    cpu = world.proof.events_of(invoice, lines["cpu_seconds"].number)
    assert {event["event_id"] for event in cpu.events} == {*first, other}
    for event_id in first:
        at = OCT_10 + first.index(event_id) * HOUR
        found = world.proof.line_of(world.account_id, "i-1", at.replace(minute=0), event_id)
        assert found.invoice == invoice
        assert {resource: number for number, resource in found.lines} == {
            resource: line.number for resource, line in lines.items() if line.source == "i-1"
        }


def test_all_lines_of_an_invoice_together_open_to_every_event_once_for_each_resource(world: World) -> None:
    for n in range(40):
        world.use(OCT_10 + n % 7 * HOUR, f"i-{n % 3}", gpu_seconds=n + 1)
    invoice = world.run()
    told = []
    for line in world.invoices.lines(invoice):
        told += [event["event_id"] for event in world.proof.events_of(invoice, line.number).events]
    assert sorted(told) == sorted(f"evt-{n + 1:04d}" for n in range(40))


def test_a_long_line_is_opened_a_day_of_hours_at_a_time(world: World) -> None:
    ids = [world.use(OCT_10 + n * HOUR, gpu_seconds=60) for n in range(60)]
    invoice = world.run()
    told, hour, pages = [], 0, 0
    while hour is not None:
        page = world.proof.events_of(invoice, 1, hour)
        told += [event["event_id"] for event in page.events]
        hour, pages = page.next_hour, pages + 1
    assert (told, pages) == (ids, 3)


def test_an_event_says_why_it_is_in_no_line(world: World) -> None:
    usual = world.use(OCT_10, gpu_seconds=60)
    egress = world.use(OCT_10, "i-2", network_egress_mb=10)
    rental = world.use(OCT_10, "ren_1/m1", gpu_seconds=60)
    nothing = world.use(OCT_10, "i-3", network_ingress_mb=5)
    assert where(world, usual) == "period open"
    world.run()
    assert where(world, usual) == ["gpu_seconds"]
    assert where(world, egress, "i-2") == "free tier"
    assert where(world, rental, "ren_1/m1") == "covered by rental"
    assert where(world, nothing, "i-3") == "not priced"
    assert where(world, "evt-none") == "unknown"
    assert where(world, usual, "i-2") == "unknown"


def test_a_late_event_waits_for_the_next_invoice_and_is_in_its_line_then(world: World) -> None:
    first = world.use(OCT_10, gpu_seconds=60)
    october = world.run()
    world.advance(days=2)
    late = world.use(OCT_10, gpu_seconds=30)
    assert where(world, late) == "late, next invoice"
    world.now = datetime(2026, 12, 1, 6, tzinfo=UTC)
    november = world.run(NOVEMBER)
    found = world.proof.line_of(world.account_id, "i-1", OCT_10.replace(minute=0), late)
    assert (found.invoice, found.reason) == (november, None)
    assert [event["event_id"] for event in world.proof.events_of(november, 1).events] == [late]
    assert [event["event_id"] for event in world.proof.events_of(october, 1).events] == [first]


def test_a_rentals_line_opens_to_its_fact_and_a_rule_says_what_it_is(world: World) -> None:
    world.rental_ended("ren_1", 1_234_567, "2026-10-20T10:00:00.000Z", event_id="evt_ended")
    world.use(OCT_10, gpu_seconds=1000)
    invoice = world.run()
    rental = world.proof.events_of(invoice, 1)
    assert [(event["event_id"], event["event_type"]) for event in rental.events] == [("evt_ended", "RentalEnded")]
    rounding = world.proof.events_of(invoice, 3)
    assert (rounding.events, rounding.because) == ([], "the amount due in whole cents, half to even")
    with pytest.raises(InvoiceNotFound):
        world.proof.events_of(invoice, 4)


def test_nobody_finds_anothers_event(world: World) -> None:
    mine = world.use(OCT_10, gpu_seconds=60)
    found = world.proof.line_of("usr_eve", "i-1", OCT_10.replace(minute=0), mine)
    assert found.reason == "unknown"
