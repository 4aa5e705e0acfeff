"""docs/rentals.md says what the code does."""

from pathlib import Path

import pytest

from gpubroker.kernel.caller import Plan
from gpubroker.rentals.caps import LIMITS
from gpubroker.rentals.facts import EVENT_TYPES
from gpubroker.rentals.rental import MemberPhase, Phase

PAGE = (Path(__file__).parents[3] / "docs" / "rentals.md").read_text()


@pytest.mark.parametrize("plan", list(Plan))
def test_the_caps_in_the_page_are_those_of_the_code(plan: Plan) -> None:
    limits = LIMITS[plan]
    spend = limits.micros // 1_000_000
    assert f"| {plan} | {limits.rentals} | {limits.instances:,} | ${spend:,} |" in PAGE


def test_the_page_names_every_phase_and_the_events_of_the_diagram() -> None:
    for phase in Phase:
        assert f" {phase.value}" in PAGE
    for member in MemberPhase:
        assert f"`{member.value}`" in PAGE
    for event in set(EVENT_TYPES) - {"RentalMemberLost", "RentalRenewalRefused", "RentalFinalised"}:
        assert event in PAGE
