"""From what was used in a month to the lines of an invoice. Pure.

A resource is rated for the account as a whole (tiers count what all of its instances used), and what it comes to is
shared out to its instances by what each used, to the micro-dollar (largest remainder). So a line is one resource of
one instance, and opens to that instance's hours.

The same month may be priced again later: then the lines are the difference between what it comes to now and what was
billed, for the instances that used more. The first invoice of a month is that with nothing billed before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from gpubroker.billing.discounts.discount import Discount, TakenOff, take_off
from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.billing.invoices.memory import BilledInstance, BilledMonth
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import UsageHour
from gpubroker.billing.plans.charges import Charge, charges, fees
from gpubroker.billing.plans.plan import PlanPeriod
from gpubroker.billing.rating import LineKind, share_out
from gpubroker.billing.rating.prices import FlatModel, ResourcePrice, Scope
from gpubroker.kernel.money import MicroUsd

_ZERO = Decimal(0)
_HOUR = timedelta(hours=1)
_SCALE = 12
PLAN = "plan"
"""Stands for a resource where something is the plan's own: its fee."""

NAMES = {
    "gpu_seconds": "GPU time",
    "cpu_seconds": "CPU time",
    "storage_gb_hours": "Storage",
    "network_egress_mb": "Network egress",
    "network_ingress_mb": "Network ingress",
}
UNITS = {"hour": "h", "second": "s", "gb": "GB", "mb": "MB", "gb_month": "GB-months", "gb_hour": "GB-hours"}


def scope_of(instance_id: str) -> Scope:
    """Whether an instance is a rental's: those are named by it."""
    return "rental" if instance_id.startswith("ren_") else "other"


@dataclass(slots=True)
class InstanceUse:
    """What one instance used in a month: by (place of the plan period, resource), and its hours as they were read."""

    quantities: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    hours: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """What one price makes of one stretch of a month: a resource, whose usage, since when."""

    resource: str
    price: ResourcePrice
    scopes: frozenset[Scope]
    place: int
    period: PlanPeriod

    @property
    def key(self) -> str:
        return f"{self.resource}|{'+'.join(sorted(self.scopes))}|{self.period.since:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(slots=True)
class Priced:
    """The lines of one month, unnumbered, and what is to be remembered of it.

    by_resource  micro-USD to pay after discounts, for credits that pay for some resources only
    """

    lines: list[Line] = field(default_factory=list)
    owners: list[tuple[str, str] | None] = field(default_factory=list)
    """For each line: (instance, group key) where it is an instance's."""
    instances: dict[str, BilledInstance] = field(default_factory=dict)
    amounts: dict[str, MicroUsd] = field(default_factory=dict)
    totals: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """By instance and group key: used in all."""
    taken_off: list[TakenOff] = field(default_factory=list)
    by_resource: dict[str, MicroUsd] = field(default_factory=dict)

    def add(self, line: Line, owner: tuple[str, str] | None = None) -> None:
        self.lines.append(line)
        self.owners.append(owner)


def used(hours: Iterable[UsageHour], month: Period, plans: Sequence[PlanPeriod]) -> dict[str, InstanceUse]:
    """The hours of a month by instance. An hour counts on the plan that held at its start."""
    found: dict[str, InstanceUse] = {}
    start = month.start
    ends = [plan.until for plan in plans]
    for hour in hours:
        use = found.get(hour.instance_id)
        if use is None:
            use = found[hour.instance_id] = InstanceUse()
        place = 0
        while place < len(ends) - 1 and hour.hour >= ends[place]:
            place += 1
        quantities = use.quantities
        for resource, quantity in hour.quantities.items():
            if quantity:
                quantities[place, resource] = quantities.get((place, resource), _ZERO) + quantity
        number = (hour.hour - start) // _HOUR
        revision, events = use.hours.get(number, (0, 0))  # of another user, where an organisation pays for both
        use.hours[number] = (revision + hour.revision, events + hour.events)
    return found


def priced(
    month: Period,
    plans: Sequence[PlanPeriod],
    usage: Mapping[str, InstanceUse],
    *,
    billed: BilledMonth,
    before: Mapping[str, BilledInstance],
    discounts: Sequence[Discount],
    late: bool,
    now: datetime,
) -> Priced:
    """The lines that a month still has to be billed for.

    billed, before  what earlier invoices billed of it
    late            whether this is another month's invoice
    """
    found = Priced(amounts=dict(billed.amounts))
    over = now >= month.end
    groups: dict[Group, list[Charge]] = {}
    rated = charges(plans, _by_scope(usage, len(plans)), over=over)
    places = {id(period): place for place, period in enumerate(plans)}
    for charge in rated:
        scopes = dict(charge.period.plan.prices_of(charge.price.resource))[charge.price]
        place = places[id(charge.period)]
        group = Group(charge.price.resource, charge.price, scopes, place, charge.period)
        groups.setdefault(group, []).append(charge)
    members = _members(usage)
    charged: dict[str, MicroUsd] = {}
    for group, parts in groups.items():
        charged[group.resource] = charged.get(group.resource, 0) + _group(
            found, month, group, parts, usage, members, before, late
        )
    for fee in fees(plans, month.start, month.end):
        key = f"{PLAN}|fee|{fee.period.since:%Y-%m-%dT%H:%M:%SZ}"
        amount = fee.amount - found.amounts.get(key, 0)
        found.amounts[key] = fee.amount
        if amount:
            text = f"{fee.period.plan.name} plan, {_span(fee.period, month)}"
            found.add(Line(0, Kind.PLAN_FEE, text, amount, str(month), fee.period.plan.plan_id, PLAN))
            charged[PLAN] = charged.get(PLAN, 0) + amount
    found.taken_off = take_off(discounts, charged, start=month.start, end=month.end)
    for off in found.taken_off:
        found.add(Line(0, Kind.DISCOUNT, off.name or "Discount", -off.amount, str(month), off.discount_id))
        for resource, amount in off.by_resource.items():
            charged[resource] -= amount
    found.by_resource = {resource: amount for resource, amount in charged.items() if amount}
    _remember(found, usage, before)
    return found


def _group(
    found: Priced,
    month: Period,
    group: Group,
    parts: Sequence[Charge],
    usage: Mapping[str, InstanceUse],
    members: Mapping[tuple[int, str], list[str]],
    before: Mapping[str, BilledInstance],
    late: bool,
) -> MicroUsd:
    """The lines of one price. Returns what they come to."""
    by_kind: dict[Kind, MicroUsd] = {Kind.USAGE: 0}
    for part in parts:
        kind = _COMMITMENTS.get(part.line.kind, Kind.USAGE)
        by_kind[kind] = by_kind.get(kind, 0) + part.line.amount
    together = 0
    for kind, amount in by_kind.items():
        key = f"{group.key}|{kind.value}"
        difference = amount - found.amounts.get(key, 0)
        if amount or key in found.amounts:
            found.amounts[key] = amount
        if kind is Kind.USAGE:
            _share(found, month, group, parts, difference, usage, members, before, late)
        elif difference:
            text = f"{NAMES.get(group.resource, group.resource)}: {_COMMITMENT_TEXTS[kind]}, {month.name}"
            found.add(Line(0, kind, text, difference, str(month), group.period.plan.plan_id, group.resource))
        together += difference
    return together


_COMMITMENTS = {LineKind.MINIMUM_SPEND: Kind.MINIMUM_SPEND, LineKind.MAXIMUM_SPEND: Kind.MAXIMUM_SPEND}
_COMMITMENT_TEXTS = {Kind.MINIMUM_SPEND: "up to the minimum spend", Kind.MAXIMUM_SPEND: "down to the maximum spend"}


def _share(
    found: Priced,
    month: Period,
    group: Group,
    parts: Sequence[Charge],
    amount: MicroUsd,
    usage: Mapping[str, InstanceUse],
    members: Mapping[tuple[int, str], list[str]],
    before: Mapping[str, BilledInstance],
    late: bool,
) -> None:
    """A price's amount on the instances whose usage it is of, by how much more each has used."""
    kind = Kind.LATE_USAGE if late else Kind.USAGE
    slot, key = (group.place, group.resource), group.key
    name = NAMES.get(group.resource, group.resource)
    instances: list[str] = []
    more: list[Decimal] = []
    for instance_id in members.get(slot, ()):
        if scope_of(instance_id) not in group.scopes:
            continue
        quantity = usage[instance_id].quantities[slot]
        found.totals.setdefault(instance_id, {})[key] = quantity
        earlier = before.get(instance_id)
        if earlier is not None:
            quantity -= earlier.quantities.get(key, _ZERO)
        if quantity:
            instances.append(instance_id)
            more.append(quantity)
    if not instances:
        if amount:
            text = f"{name}, {month.name}"
            found.add(Line(0, kind, text, amount, str(month), group.period.plan.plan_id, group.resource))
        return
    if amount == 0 and free(group.price):
        return
    rates = {part.line.unit_price for part in parts if part.line.unit_price is not None}
    rate = rates.pop() if len(rates) == 1 else None
    per, unit = group.price.per, UNITS.get(group.price.unit, group.price.unit)
    weights = [max(0, int(quantity.scaleb(_SCALE))) for quantity in more]
    month_text = str(month)
    suffix = f", {month.name}" if late else ""
    for instance_id, quantity, share in zip(instances, more, share_out(amount, weights), strict=True):
        found.add(
            Line(
                0, kind, f"{name}, {instance_id}{suffix}", share, month_text, instance_id, group.resource,
                quantity / per if per != 1 else quantity, unit, rate,
            ),
            (instance_id, key),
        )  # fmt: skip


def free(price: ResourcePrice) -> bool:
    """Whether nothing of it ever costs anything: then it has no lines."""
    return isinstance(price.model, FlatModel) and not price.model.unit_price


def _by_scope(usage: Mapping[str, InstanceUse], places: int) -> dict[tuple[str, Scope], list[Decimal]]:
    """What `charges` takes: for each resource and scope, what each plan period had of it."""
    found: dict[tuple[str, Scope], list[Decimal]] = {}
    for instance_id, use in usage.items():
        scope = scope_of(instance_id)
        for (place, resource), quantity in use.quantities.items():
            row = found.get((resource, scope))
            if row is None:
                row = found[resource, scope] = [_ZERO] * places
            row[place] += quantity
    return found


def _members(usage: Mapping[str, InstanceUse]) -> dict[tuple[int, str], list[str]]:
    """Which instances used what when, in the order of their ids."""
    found: dict[tuple[int, str], list[str]] = {}
    for instance_id in sorted(usage):
        for slot in usage[instance_id].quantities:
            found.setdefault(slot, []).append(instance_id)
    return found


def _remember(found: Priced, usage: Mapping[str, InstanceUse], before: Mapping[str, BilledInstance]) -> None:
    """What this invoice leaves of each instance that has something new. Its lines are numbered when all are known."""
    lines: dict[str, dict[str, int]] = {}
    for owner in found.owners:
        if owner is not None:
            lines.setdefault(owner[0], {})[owner[1]] = 0
    for instance_id, use in usage.items():
        earlier = before.get(instance_id)
        if instance_id in lines or earlier is None or earlier.hours != use.hours:
            quantities = (earlier.quantities if earlier else {}) | found.totals.get(instance_id, {})
            found.instances[instance_id] = BilledInstance(use.hours, quantities, lines.get(instance_id, {}))


def _span(period: PlanPeriod, month: Period) -> str:
    if period.since <= month.start and period.until >= month.end:
        return month.name
    return f"{period.since:%d %b} to {period.until - timedelta(seconds=1):%d %b %Y}"
