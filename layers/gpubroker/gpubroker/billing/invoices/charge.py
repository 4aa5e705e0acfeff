"""What rentals cost, gathered for the invoice of their month. Pure.

A rental is charged once, when it is over (RentalEnded), and may be confirmed to cost less later (RentalFinalised). Both
facts may come twice and in any order.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gpubroker.billing.invoices.line import Kind, Line
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import parse_iso


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a rental."""

    member_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    seconds: int
    cost: MicroUsd


@dataclass(frozen=True, slots=True)
class RentalCharge:
    """What is known of a rental's cost, in micro-USD.

    charged      what was charged when it ended; None while that is not known
    confirmed    what it was confirmed to cost; None while it was not
    billed_by    `provider`: on the customer's own account there, and then nothing of ours
    events       the facts that it is made of: (event id, type, moment)
    """

    rental_id: str
    account_id: str
    charged: MicroUsd | None = None
    confirmed: MicroUsd | None = None
    billed_by: str = "gpubroker"
    ended_at: str | None = None
    members: tuple[Member, ...] = ()
    events: tuple[tuple[str, str, str], ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing for an invoice: a rental, or what it turned out to cost less."""

    kind: Kind
    rental_id: str
    amount: MicroUsd
    at: datetime
    members: tuple[Member, ...] = ()
    events: tuple[tuple[str, str, str], ...] = ()


def account_of(detail: dict[str, Any]) -> str:
    """Who pays: the account that the fact names, else the user's own."""
    return str(detail["data"].get("account_id") or detail["user_id"])


def ended(charge: RentalCharge, detail: dict[str, Any]) -> tuple[RentalCharge, Entry | None]:
    """On RentalEnded: the charge, and what is new for an invoice."""
    data = detail["data"]
    event = (str(detail["event_id"]), "RentalEnded", str(detail["timestamp"]))
    if charge.charged is not None:
        return charge, None
    members = tuple(
        Member(
            str(line["member_id"]),
            str(line["provider"]),
            str(line["gpu_model"]),
            int(line["gpu_count"]),
            int(line["seconds"]),
            int(line["cost_micros"]),
        )
        for line in data["lines"]
    )
    after = replace(
        charge,
        charged=int(data["final_cost_micros"]),
        billed_by=str(data["billed_by"]),
        ended_at=str(data["ended_at"]),
        members=members,
        events=(*charge.events, event),
        version=charge.version + 1,
    )
    if after.billed_by != "gpubroker":
        return after, None
    entry = Entry(
        Kind.RENTAL, charge.rental_id, after.charged or 0, parse_iso(str(data["ended_at"])), members, (event,)
    )
    return after, entry


def finalised(charge: RentalCharge, detail: dict[str, Any]) -> tuple[RentalCharge, Entry | None]:
    """On RentalFinalised, once RentalEnded was taken. Raises NotEnded where it was not."""
    if charge.confirmed is not None:
        return charge, None
    if charge.charged is None:
        raise NotEnded(charge.rental_id)
    confirmed = int(detail["data"]["final_cost_micros"])
    event = (str(detail["event_id"]), "RentalFinalised", str(detail["timestamp"]))
    after = replace(charge, confirmed=confirmed, events=(*charge.events, event), version=charge.version + 1)
    difference = confirmed - charge.charged
    if charge.billed_by != "gpubroker" or difference == 0:
        return after, None
    at = parse_iso(str(detail["timestamp"]))
    return after, Entry(Kind.RENTAL_ADJUSTMENT, charge.rental_id, difference, at, (), (event,))


class NotEnded(Exception):
    """A rental is confirmed before it is known to have ended: to be taken again later."""


def lines_of(entry: Entry, month: str) -> list[Line]:
    """A line for each instance of a rental, unnumbered; together they are exactly what was charged."""
    if entry.kind is Kind.RENTAL_ADJUSTMENT:
        text = f"Confirmed to cost less: {entry.rental_id}"
        return [Line(0, entry.kind, text, entry.amount, month, entry.rental_id)]
    lines = [
        Line(
            0,
            entry.kind,
            f"{member.gpu_model} x{member.gpu_count}, {member.provider}, {_duration(member.seconds)}, "
            f"{entry.rental_id}/{member.member_id}",
            member.cost,
            month,
            entry.rental_id,
        )
        for member in entry.members
    ]
    rest = entry.amount - sum(line.amount for line in lines)
    if rest or not lines:
        lines.append(Line(0, entry.kind, f"Rental {entry.rental_id}", rest, month, entry.rental_id))
    return lines


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{left} s"] * bool(left)
    return " ".join(parts) or "0 s"
