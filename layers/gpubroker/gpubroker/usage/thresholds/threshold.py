"""A threshold, as administrators configure it (seed 004, "Threshold Configuration"), and what it is held against."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from gpubroker.usage.thresholds.crossing import NOTHING, Crossed, Rule, crossed
from gpubroker.usage.thresholds.resources import (
    EXACT,
    PERCENT,
    PERCENTAGES,
    USUAL_UNITS,
    Metric,
    Period,
    Resource,
    measured_in,
)

EVERYBODY = "*"
LOG, NOTIFY = "log", "notify"
API_CALLBACK = "api_callback"
CHANNELS = ("email", "push", API_CALLBACK)
_SHOWN = Decimal("0.000001")


class Kind(StrEnum):
    ABSOLUTE = "absolute"
    PERCENTAGE = "percentage"


@dataclass(frozen=True, slots=True)
class Callback:
    """The address that is called for this threshold. webhook_id: under which delivery knows it."""

    webhook_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """user_id      whose usage is watched; `*` for everybody's, each by itself
    instance_id   only this instance; None for all of the user's
    value         in `units`; of a percentage, per cent
    limit         what a percentage is of, in `limit_units`; None for what is measured in per cent
    every         a further threshold at each step on from `value`, in the same terms; None for one that is there once
    period        over what a cumulative metric is added up; None for a level
    action        `log` (kept with the threshold), `notify`, or a name that listeners of the bus act upon
    revision      counts the changes of what is watched; each arms the threshold anew
    version       counts the writes
    """

    threshold_id: str
    user_id: str
    resource: Resource
    kind: Kind
    value: Decimal
    units: str
    action: str
    channels: tuple[str, ...]
    created_at: datetime
    created_by: str
    limit: Decimal | None = None
    limit_units: str | None = None
    instance_id: str | None = None
    every: Decimal | None = None
    period: Period | None = None
    enabled: bool = True
    callback: Callback | None = None
    updated_at: datetime | None = None
    revision: int = 1
    version: int = 1

    @property
    def metric(self) -> Metric:
        return self._basis()[0]

    def crossed(self, previous: Decimal | None, current: Decimal) -> Crossed:
        """What of this threshold a value of its metric went over; the crossed values in the metric's own unit."""
        if previous is not None and current <= previous:
            return NOTHING  # as nearly always
        _, unit = self._basis()
        step = None if self.every is None else EXACT.multiply(self.every, unit)
        return crossed(previous, current, (EXACT.multiply(self.value, unit),), step, rule=Rule.OVER)

    def in_own_terms(self, amount: Decimal) -> Decimal:
        """An amount of the metric as the threshold's value is given: in its units, or per cent; to six places."""
        return EXACT.divide(amount, self._basis()[1]).quantize(_SHOWN, ROUND_HALF_EVEN, EXACT)

    def _basis(self) -> tuple[Metric, Decimal]:
        """The metric, and how much of it one of the threshold's own terms is."""
        return basis_of(self.resource, self.kind, self.units, self.limit, self.limit_units)


def basis_of(
    resource: Resource, kind: Kind, units: str, limit: Decimal | None, limit_units: str | None
) -> tuple[Metric, Decimal]:
    """The metric that is held against a threshold, and how much of it one unit (or one per cent) is.

    Raises KeyError for a combination that there is not.
    """
    if kind is Kind.ABSOLUTE:
        return measured_in(resource, units)
    if limit is None:
        return PERCENTAGES[resource], Decimal(1)
    metric, factor = measured_in(resource, limit_units or (USUAL_UNITS[resource] if units == PERCENT else units))
    return metric, EXACT.multiply(EXACT.multiply(limit, factor), Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Span:
    """A period of UTC: [start, end)."""

    period: Period
    start: datetime
    end: datetime

    @classmethod
    def of(cls, period: Period, moment: datetime) -> "Span":
        """The period that a moment lies in."""
        at = moment.astimezone(UTC)
        match period:
            case Period.HOUR:
                start = at.replace(minute=0, second=0, microsecond=0)
                return cls(period, start, start + timedelta(hours=1))
            case Period.DAY:
                start = at.replace(hour=0, minute=0, second=0, microsecond=0)
                return cls(period, start, start + timedelta(days=1))
            case Period.MONTH:
                start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
                return cls(period, start, (start + timedelta(days=32)).replace(day=1))
