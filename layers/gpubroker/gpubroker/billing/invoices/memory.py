"""What was billed of a month: kept with its invoices, so that late usage bills its difference and every event can be
led to its line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from gpubroker.billing.invoices.packing import pack, unpack
from gpubroker.kernel.money import MicroUsd


@dataclass(slots=True)
class BilledInstance:
    """One instance in one month, as an invoice left it.

    hours       number of the hour in the month -> (revision, events) when it was read
    quantities  by group (pricing.Group.key): billed up to and with this invoice, in the meter's units
    lines       by group: the line of this invoice; a group without one was free, or had nothing new
    """

    hours: dict[int, tuple[int, int]] = field(default_factory=dict)
    quantities: dict[str, Decimal] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def packed(self) -> list[object]:
        return [
            [[hour, *read] for hour, read in self.hours.items()],
            {key: str(value) for key, value in self.quantities.items()},
            self.lines,
        ]

    @classmethod
    def unpacked(cls, told: Any) -> "BilledInstance":
        hours, quantities, lines = told
        return cls(
            {hour: (revision, events) for hour, revision, events in hours},
            {key: Decimal(value) for key, value in quantities.items()},
            dict(lines),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One invoice's part in a month: the invoice of `period`, and the build whose pages count."""

    period: str
    invoice_id: str
    build: str


@dataclass(slots=True)
class BilledMonth:
    """What all invoices so far billed of one month of an account.

    amounts  by group, by what kind of line: micro-USD
    parts    the invoices, the oldest first
    version  counts the invoices that wrote to it
    """

    amounts: dict[str, MicroUsd] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    version: int = 0

    def to_json(self) -> str:
        return orjson.dumps(
            {"amounts": self.amounts, "parts": [[one.period, one.invoice_id, one.build] for one in self.parts]}
        ).decode()

    @classmethod
    def of_json(cls, text: str, version: int) -> "BilledMonth":
        told = orjson.loads(text)
        return cls(told["amounts"], [Part(*one) for one in told["parts"]], version)


_PAGE_BYTES = 200_000


def pages(instances: dict[str, BilledInstance]) -> Iterator[tuple[str, bytes]]:
    """(first instance, packed page), in the order of instance ids. A page is far below the 400 KB of an item."""
    page: list[tuple[str, list[object]]] = []
    size = 0
    for instance_id, one in sorted(instances.items()):
        weight = 40 + len(instance_id) + 14 * len(one.hours) + 60 * len(one.quantities)
        if page and size + weight > _PAGE_BYTES:
            yield page[0][0], pack(page)
            page, size = [], 0
        page.append((instance_id, one.packed()))
        size += weight
    if page:
        yield page[0][0], pack(page)


def read_pages(packed: Iterable[bytes]) -> dict[str, BilledInstance]:
    return {instance_id: BilledInstance.unpacked(told) for page in packed for instance_id, told in unpack(page)}
