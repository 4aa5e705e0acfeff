"""Balances of grants over time: usage burns them, they begin, reset, expire and are voided. Pure.

However a stretch of time is cut, the balances at its end are the same, since a snapshot holds all that matters.
Use that nothing pays becomes overage, and burns what comes next (OpenMeter).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gpubroker.billing.credits.burning import burn
from gpubroker.billing.credits.grant import Grant
from gpubroker.kernel.money import MicroUsd


class UnknownGrant(ValueError):
    """A snapshot has a balance of a grant that is none of these."""


class NoBalance(ValueError):
    """A snapshot lacks the balance of a grant that counted then."""


@dataclass(frozen=True, slots=True)
class Use:
    """Something to pay, at a moment, in micro-USD."""

    at: datetime
    amount: MicroUsd
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How it stands at a moment, with what begins, resets or ends then taken into account, and no use of then."""

    at: datetime
    balances: Mapping[str, MicroUsd]
    overage: Mapping[str, MicroUsd]

    @property
    def balance(self) -> MicroUsd:
        return sum(self.balances.values())

    @property
    def owed(self) -> MicroUsd:
        return sum(self.overage.values())


@dataclass(frozen=True, slots=True)
class Segment:
    """[since, until) in which no grant began, reset or ended."""

    since: datetime
    until: datetime
    balance_at_start: MicroUsd
    usage: MicroUsd


@dataclass(frozen=True, slots=True)
class Run:
    end: Snapshot
    segments: tuple[Segment, ...]


def opening(grants: Iterable[Grant], at: datetime) -> Snapshot:
    """A snapshot of nothing used: every grant that counts has its whole amount."""
    return Snapshot(at, {grant.grant_id: grant.amount for grant in grants if grant.active(at)}, {})


def run(grants: Sequence[Grant], uses: Iterable[Use], *, start: Snapshot, until: datetime) -> Run:
    """From a snapshot to a moment. Uses outside [start, until) are not looked at.

    Raises UnknownGrant and NoBalance where the snapshot is not of these grants.
    """
    _check(grants, start)
    balances, overage = dict(start.balances), dict(start.overage)
    waiting = sorted((use for use in uses if start.at <= use.at < until), key=lambda use: use.at)
    segments: list[Segment] = []
    since, place = start.at, 0
    for moment in [*_changes(grants, start.at, until), until]:
        at_start, used = sum(balances.values()), 0
        counting = [grant for grant in grants if grant.grant_id in balances]
        while place < len(waiting) and waiting[place].at < moment:
            use = waiting[place]
            _pay(counting, balances, overage, {use.resource: use.amount})
            used += use.amount
            place += 1
        if moment > since:
            segments.append(Segment(since, moment, at_start, used))
        _turn(grants, balances, since=since, at=moment)
        _pay([grant for grant in grants if grant.grant_id in balances], balances, overage, {})
        since = moment
    return Run(Snapshot(until, balances, overage), tuple(segments))


def _check(grants: Sequence[Grant], start: Snapshot) -> None:
    known = {grant.grant_id: grant for grant in grants}
    for grant_id in start.balances:
        if grant_id not in known:
            raise UnknownGrant(grant_id)
    for grant in grants:
        if grant.active(start.at) and grant.grant_id not in start.balances:
            raise NoBalance(grant.grant_id)


def _changes(grants: Iterable[Grant], since: datetime, until: datetime) -> list[datetime]:
    """The moments in (since, until) at which a grant begins, resets or ends."""
    moments: set[datetime] = set()
    for grant in grants:
        moments.update(one for one in (grant.effective_at, grant.ends_at) if since < one < until)
        if grant.recurrence is not None:
            first, last = max(since, grant.effective_at), min(until, grant.ends_at)
            moments.update(grant.recurrence.between(first, last))
    return sorted(moments)


def _turn(grants: Iterable[Grant], balances: dict[str, MicroUsd], *, since: datetime, at: datetime) -> None:
    """What begins, resets or ends after `since` up to `at`."""
    for grant in grants:
        if not grant.active(at):
            balances.pop(grant.grant_id, None)
        elif since < grant.effective_at or (grant.recurrence and since < grant.recurrence.since(at)):
            balances[grant.grant_id] = grant.amount


def _pay(
    grants: Iterable[Grant],
    balances: dict[str, MicroUsd],
    overage: dict[str, MicroUsd],
    charges: Mapping[str, MicroUsd],
) -> None:
    """Burn what is owed from before, and then the charges; what is left is owed on."""
    together = dict(overage)
    for resource, amount in charges.items():
        together[resource] = together.get(resource, 0) + amount
    if not together:
        return
    burnt, left = burn(grants, balances, together)
    for one in burnt:
        balances[one.grant_id] -= one.amount
    overage.clear()
    overage.update((resource, amount) for resource, amount in left.items() if amount > 0)
