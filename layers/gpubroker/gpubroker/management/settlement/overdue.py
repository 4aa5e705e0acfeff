"""What the sweep does to settlements that are due: pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from gpubroker.management.settlement import facts
from gpubroker.management.settlement.rules import START_WITHIN, Step
from gpubroker.management.settlement.settlement import Settlement

LONGEST_WAIT = timedelta(hours=1)

STUCK_AFTER = timedelta(minutes=30)
"""A round that is under way for longer than this is told of by an alarm; the sweep goes on trying."""


def stuck(settlement: Settlement, now: datetime) -> bool:
    return not settlement.state.at_rest and now - settlement.under_way_since > STUCK_AFTER


def started_anew(settlement: Settlement, now: datetime) -> Step:
    """Another workflow for what is under way: it goes on where the settlement stands. At rest: nothing."""
    if settlement.state.at_rest:
        return Step(settlement)
    again = replace(
        settlement, executions=settlement.executions + 1, looks=settlement.looks + 1, due_at=now + _wait(settlement)
    )
    return Step(again, (facts.requested(again, now),))


def left_alone(settlement: Settlement, now: datetime) -> Step:
    """Its workflow runs: look again later. At rest: nothing."""
    if settlement.state.at_rest:
        return Step(settlement)
    return Step(replace(settlement, looks=settlement.looks + 1, due_at=now + _wait(settlement)))


def _wait(settlement: Settlement) -> timedelta:
    """Each look waits twice as long as the one before, up to an hour."""
    return min(LONGEST_WAIT, START_WITHIN * (1 << min(settlement.looks, 6)))
