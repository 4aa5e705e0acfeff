"""What administrators may ask of the platform's economy."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import RequestModel
from gpubroker.kernel.time import Clock
from gpubroker.management.economics.counters import Economics
from gpubroker.management.economics.measures import MONEY, Measured, measured
from gpubroker.management.wire import WireView

LONGEST_DAYS = 366
USUAL_DAYS = 30
_FIRST = date(2020, 1, 1)

Moment = Annotated[AwareDatetime | date, Field(union_mode="left_to_right")]


class EconomicsQuery(RequestModel):
    """Whole days of UTC: [since, until). A moment stands for the day that it lies in."""

    since: Moment | None = Field(
        None, description=f"a day (2026-07-01) or a moment; {USUAL_DAYS} days before until by default"
    )
    until: Moment | None = Field(None, description="exclusive; tomorrow by default, so that today is the last")
    granularity: Literal["day", "month"] = "day"


class EconomicsPeriod(WireView):
    """What happened in a period. Amounts are USD, each with its exact twin in micro-USD. `active_payers` counts each
    account once, in a month too: it is not the sum of its days."""

    start: str = Field(description="its first day")
    end: str = Field(description="the day after its last")
    gross_volume: float = Field(description="what buyers paid for transactions that were settled, fees included")
    gross_volume_micros: int
    seller_net: float = Field(description="what of it went to sellers")
    seller_net_micros: int
    buyer_fees: float
    buyer_fees_micros: int
    seller_fees: float
    seller_fees_micros: int
    fees_earned: float = Field(description="both fees, less what was returned")
    fees_earned_micros: int
    refunds: float = Field(description="what buyers got back of settled transactions")
    refunds_micros: int
    buyer_fees_returned: float
    buyer_fees_returned_micros: int
    seller_fees_returned: float
    seller_fees_returned_micros: int
    deposits: float
    deposits_micros: int
    deposits_returned: float
    deposits_returned_micros: int
    withdrawals: float
    withdrawals_micros: int
    withdrawals_returned: float
    withdrawals_returned_micros: int
    payouts: float = Field(description="what left the house to sellers")
    payouts_micros: int
    payouts_returned: float = Field(description="what banks sent back of it")
    payouts_returned_micros: int
    credits_granted: float
    credits_granted_micros: int
    credits_taken_back: float
    credits_taken_back_micros: int
    spending: float = Field(description="what users and organizations paid, whether it is settled yet or not")
    spending_micros: int
    spending_returned: float
    spending_returned_micros: int
    rental_charges: float = Field(description="final costs of the rentals that ended")
    rental_charges_micros: int
    settlements: int
    reversals: int
    transfers: int = Field(description="postings of the ledger")
    rentals_ended: int
    usage_hours: float = Field(description="instances' hours of the rentals that ended, to six places")
    usage_seconds: int
    gpu_hours: float
    gpu_seconds: int
    active_payers: int | None = Field(description="accounts that paid something; null where it cannot be said")


class EconomicsView(WireView):
    """totals.active_payers is null: who paid in one period may have paid in another."""

    success: bool = True
    since: str
    until: str
    granularity: Literal["day", "month"]
    currency: Literal["USD"] = "USD"
    periods: list[EconomicsPeriod]
    totals: EconomicsPeriod


class EconomicsDesk:
    def __init__(self, *, economics: Economics, clock: Clock) -> None:
        self._economics, self._clock = economics, clock

    def follow(self, event: Mapping[str, Any]) -> bool:
        """Count an event of the bus; False for one that adds nothing, or was counted before."""
        fact = measured(event)
        return fact is not None and _adds(fact) and self._economics.count(fact)

    def report(self, wanted: EconomicsQuery) -> EconomicsView:
        """Raises Invalid, on the field."""
        since, until = _range(wanted, self._clock())
        days = self._economics.days(since, until)
        if wanted.granularity == "day":
            periods = [_period(day, day + timedelta(days=1), [one], one["payers"]) for day, one in days.items()]
        else:
            periods = self._months(days, since, until)
        return EconomicsView(
            since=since.isoformat(),
            until=until.isoformat(),
            granularity=wanted.granularity,
            periods=periods,
            totals=_period(since, until, days.values(), None),
        )

    def _months(self, days: Mapping[date, Mapping[str, int]], since: date, until: date) -> list[EconomicsPeriod]:
        payers = self._economics.payers_of_months(since, until)
        months: dict[str, list[date]] = {}
        for day in days:
            months.setdefault(day.isoformat()[:7], []).append(day)
        periods = []
        for month, some in months.items():
            end = some[-1] + timedelta(days=1)
            whole = some[0].day == 1 and (end.day == 1 or end > self._clock().astimezone(UTC).date())
            told = payers.get(month, 0) if whole else None  # of a part of a month nobody has counted them
            periods.append(_period(some[0], end, [days[day] for day in some], told))
        return periods


def _adds(fact: Measured) -> bool:
    return bool(fact.amounts or fact.payers)


def _range(wanted: EconomicsQuery, now: datetime) -> tuple[date, date]:
    today = now.astimezone(UTC).date()
    until = _day(wanted.until) or today + timedelta(days=1)
    since = _day(wanted.since) or until - timedelta(days=USUAL_DAYS)
    if since < _FIRST:
        raise Invalid.of("since", f"is before {_FIRST}")
    if until > today + timedelta(days=1):
        raise Invalid.of("until", "is in the future")
    if until <= since:
        field = "until" if wanted.until is not None else "since"
        raise Invalid.of(field, f"must be after since: {since} to {until} has no day")
    if (until - since).days > LONGEST_DAYS:
        raise Invalid.of("since", f"is more than {LONGEST_DAYS} days before until")
    return since, until


def _day(moment: date | datetime | None) -> date | None:
    return moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment


def _period(start: date, end: date, days: Iterable[Mapping[str, int]], payers: int | None) -> EconomicsPeriod:
    some = list(days)
    sums = {name: sum(day[name] for day in some) for name in (*MONEY, "settlements", "reversals", "transfers")}
    seconds = sum(day["instance_seconds"] for day in some)
    gpu_seconds = sum(day["gpu_seconds"] for day in some)
    earned = sums["buyer_fees"] + sums["seller_fees"] - sums["buyer_fees_returned"] - sums["seller_fees_returned"]
    told: dict[str, Any] = {"start": start.isoformat(), "end": end.isoformat()}
    for name, amount in ({name: sums[name] for name in MONEY} | {"fees_earned": earned}).items():
        told |= {name: usd(amount), f"{name}_micros": amount}
    return EconomicsPeriod(
        **told,
        settlements=sums["settlements"],
        reversals=sums["reversals"],
        transfers=sums["transfers"],
        rentals_ended=sum(day["rentals_ended"] for day in some),
        usage_hours=round(seconds / 3600, 6),
        usage_seconds=seconds,
        gpu_hours=round(gpu_seconds / 3600, 6),
        gpu_seconds=gpu_seconds,
        active_payers=payers,
    )
