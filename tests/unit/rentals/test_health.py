"""A rental's health in one word, as sockets tell it (287)."""

from dataclasses import replace

import pytest

from gpubroker.rentals.health import health_of, member_health
from gpubroker.rentals.rental import MemberPhase, Phase, Rental
from tests.unit.rentals.lives import ready


def rental(*members: tuple[MemberPhase, int], phase: Phase = Phase.READY) -> Rental:
    """members: the phase of each, and how many looks in a row its provider did not know it."""
    whole = ready(count=len(members))
    stand = zip(whole.members, members, strict=True)
    return replace(
        whole,
        phase=phase,
        members=tuple(replace(member, phase=at, misses=misses) for member, (at, misses) in stand),
    )


WELL, MISSED = (MemberPhase.READY, 0), (MemberPhase.READY, 1)
STARTING, LOST, ENDED = (MemberPhase.CREATING, 0), (MemberPhase.LOST, 0), (MemberPhase.ENDED, 0)


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ((WELL, WELL), "healthy"),
        ((WELL, ENDED), "healthy"),
        ((WELL, MISSED), "degraded"),
        ((WELL, STARTING), "degraded"),
        ((WELL, LOST), "degraded"),
        ((STARTING, STARTING), "starting"),
        ((STARTING, LOST), "unhealthy"),
        ((MISSED, MISSED), "unhealthy"),
        ((LOST, LOST), "unhealthy"),
    ],
)
def test_a_whole_is_as_well_as_its_members_that_are_wanted(members, word):
    assert health_of(rental(*members)) == word


def test_a_lost_member_that_was_replaced_is_not_counted():
    whole = rental(LOST, WELL)
    lost, well = whole.members
    assert health_of(replace(whole, members=(replace(lost, replaced_by=well.member_id), well))) == "healthy"


@pytest.mark.parametrize(
    ("phase", "word"),
    [(Phase.ENDING, "ending"), (Phase.UNDOING, "ending"), (Phase.ENDED, "ended"), (Phase.FAILED, "ended")],
)
def test_what_ends_is_neither_well_nor_unwell(phase, word):
    assert health_of(rental(WELL, LOST, phase=phase)) == word


@pytest.mark.parametrize("phase", MemberPhase)
def test_every_phase_of_a_member_has_a_word(phase):
    (member,) = rental((phase, 0)).members
    assert member_health(member) in {"healthy", "starting", "ending", "lost", "ended"}
