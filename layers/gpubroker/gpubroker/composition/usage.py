"""What usage needs of others (usage/ports.py), and its use cases."""

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from gpubroker.kernel.caller import Caller
    from gpubroker.messaging.aside import Redrive
    from gpubroker.rentals.rental import Member, Rental
    from gpubroker.usage.aggregation import Aggregation
    from gpubroker.usage.current import CurrentUsage
    from gpubroker.usage.history import History
    from gpubroker.usage.ingest import Ingest
    from gpubroker.usage.metering import Metering
    from gpubroker.usage.ports import Running
    from gpubroker.usage.totals import Totals


@cache
def usage_ingest() -> "Ingest":
    """What takes events. It speaks to Kinesis: outside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.counted import CountedHours
    from gpubroker.usage.hours import StoredHours
    from gpubroker.usage.ingest import Ingest
    from gpubroker.usage.sink import StreamSink

    return Ingest(StreamSink(), CountedHours(StoredHours()), utc_now)


@cache
def usage_aggregation() -> "Aggregation":
    """What counts the events of the stream."""
    from gpubroker.usage.aggregation import Aggregation
    from gpubroker.usage.aside import queue
    from gpubroker.usage.hours import StoredHours

    return Aggregation(StoredHours(), queue(), _now_ms)


@cache
def usage_redrive() -> "Redrive":
    from gpubroker.usage.aside import redrive
    from gpubroker.usage.hours import StoredHours

    return redrive(StoredHours(), _now_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@cache
def usage_totals() -> "Totals":
    from gpubroker.usage.totals import Totals

    return Totals(_now_ms)


@cache
def usage_current() -> "CurrentUsage":
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.current import CurrentUsage

    return CurrentUsage(utc_now)


@cache
def usage_history() -> "History":
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.history import History

    return History(_Organisations(), utc_now)


@cache
def usage_metering() -> "Metering":
    """What meters running rentals. It speaks to Kinesis: outside the VPC."""
    from gpubroker.usage.metering import Metering
    from gpubroker.usage.sink import StreamSink

    return Metering(_RunningRentals(), StreamSink(), _now_ms)


def meter_ended(detail: "dict[str, Any]") -> int:
    """Emit what of a rental that has ended was charged and is not counted; how many events that were."""
    from gpubroker.usage.ended import instances_of
    from gpubroker.usage.hours import StoredHours

    return usage_metering().rest_of(instances_of(detail), StoredHours())


class _RunningRentals:
    """usage.ports.RunningRentals over the rentals that are not over."""

    def instances(self) -> "Iterable[Running]":
        from gpubroker.rentals.rental import Work
        from gpubroker.rentals.repository import Rentals

        for rental in Rentals().open_rentals():
            operation = rental.operation
            # What is being made may come to nothing, and then nothing of it is charged.
            making = operation.members if operation and operation.work in (Work.PROVISION, Work.ADD) else ()
            for member in rental.members:
                if member.charges and not member.void and member.member_id not in making:
                    yield _running_of(rental, member)


def _running_of(rental: "Rental", member: "Member") -> "Running":
    from gpubroker.usage.ended import organisation_of
    from gpubroker.usage.ports import Running, Stretch

    def ms(moment: "datetime") -> int:
        return int(moment.timestamp()) * 1000

    stretches = []
    for charge in member.charges:
        # An open charge goes on to the end of the term; another term is another charge.
        until = charge.until or rental.ends_at
        stretches.append(Stretch(ms(charge.since), None if until is None else ms(until)))
    return Running(
        instance_id=f"{rental.rental_id}.{member.member_id}",
        user_id=rental.tenant,
        org_id=organisation_of(rental.payer),
        gpu_count=member.offer.gpu_count,
        stretches=tuple(stretches),
    )


class _Organisations:
    """usage.ports.Organisations over the ledger's: whoever may see what an organisation spends may see what it uses."""

    def may_see_usage(self, caller: "Caller", org_id: str) -> bool:
        from gpubroker.ledger.organizations.repository import Organizations
        from gpubroker.ledger.organizations.roles import Right

        place = Organizations().place_of(org_id, caller.tenant)
        return place is not None and place.may(Right.SEE)
