"""What `RentalEnded` tells of the instances of a rental: what each was charged for."""

from collections.abc import Mapping
from typing import Any

from gpubroker.kernel.time import parse_iso
from gpubroker.usage.ports import Running, Stretch


def instances_of(detail: Mapping[str, Any]) -> list[Running]:
    """Of the event's detail (events/rentals/RentalEnded.v1.json). Raises KeyError or ValueError for another."""
    return [
        Running(
            instance_id=f"{detail['rental_id']}.{line['member_id']}",
            user_id=str(detail["user_id"]),
            org_id=organisation_of(detail["data"].get("account_id")),
            gpu_count=int(line["gpu_count"]),
            stretches=tuple(Stretch(_ms(one["since"]), _ms(one["until"])) for one in line["periods"]),
        )
        for line in detail["data"]["lines"]
    ]


def organisation_of(account_id: str | None) -> str | None:
    """The organisation that pays, where it is one: its account has its id."""
    return account_id if account_id is not None and account_id.startswith("org_") else None


def _ms(text: str) -> int:
    return int(parse_iso(text).timestamp()) * 1000
