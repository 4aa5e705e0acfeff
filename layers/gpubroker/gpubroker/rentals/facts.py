"""What is told about rentals. Every event's data has the shape of seed line 323:
`{rental_id, user_id, event_type, data, timestamp}`, with the account that pays in its `data`; schemas and samples stand
in events/rentals/.

Nothing here holds a secret: no key, no environment, no script, no token.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpubroker.kernel.events import Event
from gpubroker.kernel.money import MicroUsd, usd
from gpubroker.kernel.time import iso
from gpubroker.rentals.cost import charged_seconds, member_cost
from gpubroker.rentals.rental import Failure, Member, Rental

EVENT_TYPES = (
    "RentalRequested",
    "RentalReady",
    "RentalFailed",
    "RentalScaling",
    "RentalScaled",
    "RentalScaleFailed",
    "RentalMemberLost",
    "RentalRenewed",
    "RentalRenewalRefused",
    "RentalEnding",
    "RentalEnded",
    "RentalFinalised",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a rental at a moment; becomes an event when it is written."""

    type: str
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)

    def event(self, rental: Rental) -> Event:
        return Event(
            type=self.type,
            subject=rental.rental_id,
            occurred_at=self.at,
            data={
                "rental_id": rental.rental_id,
                "user_id": rental.tenant,
                "event_type": self.type,
                "data": self.data | {"account_id": rental.payer},
                "timestamp": iso(self.at),
            },
        )


def money(name: str, amount: MicroUsd) -> dict[str, Any]:
    """An amount in USD and its exact twin in micro-USD."""
    return {name: usd(amount), f"{name}_micros": amount}


def failure_data(failure: Failure | None) -> dict[str, Any]:
    failure = failure or Failure("unknown", "")
    return {"reason": failure.code, "detail": failure.detail}


def requested(rental: Rental) -> Fact:
    data = {
        "offer_id": rental.offer.offer_id,
        "provider": rental.offer.provider,
        "count": len(rental.members),
        "duration_seconds": int(rental.duration.total_seconds()),
        "auto_renew": rental.auto_renew,
        "billed_by": rental.billed_by,
        "operation_id": rental.operation.operation_id if rental.operation else "",
    }
    return Fact("RentalRequested", rental.requested_at, data | money("max_price_per_hour", rental.max_price_micros))


def member_data(members: Iterable[Member]) -> list[dict[str, Any]]:
    return [
        {
            "member_id": member.member_id,
            "offer_id": member.offer.offer_id,
            "provider": member.offer.provider,
            "gpu_model": member.offer.gpu_model,
            "gpu_count": member.offer.gpu_count,
        }
        | money("price_per_hour", member.price_micros)
        for member in members
    ]


def charge_data(rental: Rental, now: datetime) -> list[dict[str, Any]]:
    """One line per member that was ever charged: what an invoice needs."""
    return [
        {
            "member_id": member.member_id,
            "provider": member.offer.provider,
            "gpu_model": member.offer.gpu_model,
            "gpu_count": member.offer.gpu_count,
            "seconds": charged_seconds(member, now),
            "periods": [
                {"since": iso(charge.since), "until": iso(charge.until or now)}
                | money("price_per_hour", charge.price_micros)
                for charge in member.charges
            ],
        }
        | money("cost", member_cost(member, now))
        for member in rental.members
        if member.charges and not member.void
    ]
