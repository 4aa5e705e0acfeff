"""Which thresholds a value has crossed between two looks at it. Pure.

Two rules are in use in the field, and the difference is the value that is exactly the threshold:

    OVER      previous <= threshold < current    ours, and Formation's (seed 004): it fires when the value is over it
    REACHED   previous < threshold <= current    Lago's (spec/models/usage_monitoring/alert_spec.rb): it fires when met

Under either, a value that stays where it is crosses nothing, and each threshold is crossed once on the way up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

MOST_LISTED = 100
"""A leap over very many steps is counted whole and listed by its last ones."""


class Rule(StrEnum):
    OVER = "over"
    REACHED = "reached"


@dataclass(frozen=True, slots=True)
class Crossed:
    """values: ascending, the last MOST_LISTED of `count` (the outermost in the direction of the change)."""

    values: tuple[Decimal, ...] = ()
    count: int = 0

    def __bool__(self) -> bool:
        return self.count > 0


NOTHING = Crossed()


def crossed(
    previous: Decimal | None,
    current: Decimal,
    one_time: Sequence[Decimal],
    recurring: Decimal | None = None,
    *,
    rule: Rule = Rule.OVER,
    falling: bool = False,
) -> Crossed:
    """What was crossed from `previous` to `current`.

    previous   None for a value that was never looked at: below everything
    one_time   thresholds, in any order
    recurring  a step (> 0): one more threshold at each multiple of it on from the last of `one_time`, or from zero
    falling    for values that run down (a balance): crossed downwards, steps go down from the lowest of `one_time`

    Raises ValueError for a step that is not over zero.
    """
    if recurring is not None and recurring <= 0:
        raise ValueError("a recurring threshold needs a step over 0")
    if falling:
        mirrored = crossed(
            None if previous is None else -previous, -current, [-value for value in one_time], recurring, rule=rule
        )
        return Crossed(tuple(-value for value in reversed(mirrored.values)), mirrored.count)
    passed = sorted(value for value in set(one_time) if _passed(previous, value, current, rule))
    count = len(passed)
    if recurring is not None:
        base = max(one_time, default=Decimal(0))
        first, last = _steps(previous, current, base, recurring, rule)
        if last >= first:
            count += last - first + 1
            passed += [base + recurring * step for step in range(max(first, last - MOST_LISTED + 1), last + 1)]
    return Crossed(tuple(passed[-MOST_LISTED:]), count)


def _passed(previous: Decimal | None, threshold: Decimal, current: Decimal, rule: Rule) -> bool:
    if rule is Rule.OVER:
        return threshold < current and (previous is None or previous <= threshold)
    return threshold <= current and (previous is None or previous < threshold)


def _steps(previous: Decimal | None, current: Decimal, base: Decimal, step: Decimal, rule: Rule) -> tuple[int, int]:
    """The first and the last step that was crossed; the last is below the first when none was.

    Fractions, since a quotient of decimals need not be one.
    """
    there = Fraction(current - base) / Fraction(step)
    last = math.ceil(there) - 1 if rule is Rule.OVER else math.floor(there)
    if previous is None:
        return 1, last
    here = Fraction(previous - base) / Fraction(step)
    first = math.ceil(here) if rule is Rule.OVER else math.floor(here) + 1
    return max(1, first), last
