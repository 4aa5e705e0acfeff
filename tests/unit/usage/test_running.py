"""What of a rental is metered: what is charged, and nothing that may come to nothing. # 422, 424"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gpubroker.composition.usage import _RunningRentals
from gpubroker.kernel.caller import Plan
from gpubroker.rentals import endings, scaling, terms
from gpubroker.rentals.cost import charged_seconds
from gpubroker.rentals.rental import Rental
from gpubroker.rentals.repository import Rentals
from gpubroker.usage.ended import instances_of
from gpubroker.usage.ports import Running, Stretch
from infra.rules.templates import ROOT, definition, resources
from tests.unit.rentals.lives import DEPLOYMENT, NOW, RENTAL_ID, TERMS, after, asked, made, ready

SAMPLE = ROOT / "events" / "rentals" / "RentalEnded.v1.json"
Metered = Callable[..., list[Running]]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Metered:
    def of(*rentals: Rental) -> list[Running]:
        monkeypatch.setattr(Rentals, "open_rentals", lambda self: iter(rentals))
        return list(_RunningRentals().instances())

    return of


def ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def seconds(one: Running) -> int:
    return sum(stretch.until_ms - stretch.since_ms for stretch in one.stretches if stretch.until_ms) // 1000


def test_a_ready_rental_is_metered_by_instance_until_its_term_is_over(running: Metered) -> None:
    rental = ready(count=2)
    first, second = running(rental)
    assert (first.instance_id, second.instance_id) == (f"{RENTAL_ID}.m1", f"{RENTAL_ID}.m2")
    assert (first.user_id, first.gpu_count) == ("usr_1", TERMS.gpu_count)
    assert first.stretches == (Stretch(ms(NOW), ms(NOW + timedelta(hours=1))),)


def test_what_is_being_made_is_not_metered(running: Metered) -> None:
    """It may come to nothing, and then nothing of it is charged."""
    rental = asked(count=2)
    assert running(rental) == []
    growing, _ = scaling.add(ready(), 1, plan=Plan.PRO, deployment=DEPLOYMENT, now=after(minutes=5))
    assert growing.operation is not None
    operation_id, at = growing.operation.operation_id, after(minutes=5)
    growing, _ = scaling.agree_added(growing, operation_id, TERMS, [], at)
    growing = made(growing, "m2", after(minutes=6))
    assert growing.member("m2").charges
    assert [one.instance_id for one in running(growing)] == [f"{RENTAL_ID}.m1"]
    grown, _ = scaling.conclude_scaling(growing, operation_id, after(minutes=7))
    assert running(grown)[1].stretches[0].since_ms == ms(after(minutes=6)), "from where it began, once it is there"


def test_an_end_and_another_term_are_as_they_are_charged(running: Metered) -> None:
    renewed, _ = terms.renew(ready(auto_renew=True), {}, after(minutes=61))
    (one,) = running(renewed)
    assert [stretch.since_ms for stretch in one.stretches] == [ms(NOW), ms(after(hours=1))]
    ended, _ = endings.end(renewed, at=after(minutes=90), now=after(minutes=90), reason="requested")
    (one,) = running(ended)
    assert seconds(one) == charged_seconds(ended.members[0], after(hours=3)) == 90 * 60


def test_what_an_organisation_pays_for_is_its_usage(running: Metered) -> None:
    """430: told alike while it runs and when it has ended, so that the same period never says two things."""
    for payer, org_id in (("org_1", "org_1"), ("usr_1", None), (None, None)):
        (one,) = running(replace(ready(), payer=payer))
        sample = json.loads(SAMPLE.read_text(encoding="utf-8"))["detail"]
        sample["data"]["account_id"] = payer
        (ended,) = instances_of(sample)
        assert one.org_id == ended.org_id == org_id


def test_what_rental_ended_tells_is_what_is_made_up() -> None:
    """The very sample that rentals publish."""
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))["detail"]
    (one,) = instances_of(sample)
    (line,) = sample["data"]["lines"]
    assert one.instance_id == f"{sample['rental_id']}.{line['member_id']}"
    assert (seconds(one), one.gpu_count, one.user_id) == (line["seconds"], line["gpu_count"], sample["user_id"])


def test_there_are_two_beats_a_minute_by_an_express_workflow() -> None:
    """421, 424: every 30 seconds"""
    template = ROOT / "infra" / "usage.yaml"
    machine = resources(template)["BeatToMeteredStateMachine"]["Properties"]
    assert machine["Type"] == "EXPRESS"
    assert machine["Events"]["EachMinute"]["Properties"]["Schedule"] == "rate(1 minute)"
    beats = definition(template.parent / machine["DefinitionUri"])["States"]["TwoBeats"]["Branches"]
    waits = [sum(state.get("Seconds", 0) for state in branch["States"].values()) for branch in beats]
    assert waits == [0, 30]
