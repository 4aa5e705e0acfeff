"""What happened on an account: its entries, the newest first, and its holds."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import orjson

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso, parse_iso
from gpubroker.ledger.accounts import shards_of
from gpubroker.ledger.holds import HeldFunds
from gpubroker.ledger.items import EntryItem, HoldItem
from gpubroker.ledger.transfers import Leg


@dataclass(frozen=True, slots=True)
class Entry:
    """What one transfer did to one account. Amounts are micro-dollars.

    place   where it stands among the account's entries: what a cursor keeps
    amount  what the balance changed by: `credit` - `debit`
    legs    those of the transfer that touch the account
    """

    place: str
    transfer_id: str
    kind: str
    at: datetime
    debit: MicroUsd
    credit: MicroUsd
    legs: tuple[Leg, ...]
    reference: Mapping[str, str] = field(default_factory=dict)
    reverses: str | None = None
    hold_id: str | None = None

    @property
    def amount(self) -> MicroUsd:
        return self.credit - self.debit


def entries(
    account_id: str, *, limit: int, before: str | None, since: datetime | None, until: datetime | None
) -> list[Entry]:
    """At most `limit`, the newest first; see Book.activity."""
    low = iso(since) if since is not None else "0"
    high = min(text for text in (before, iso(until) if until is not None else None, "~") if text is not None)
    if low >= high:
        return []
    parts = [_newest(shard, limit, low, high) for shard in shards_of(account_id)]
    newest = heapq.merge(*parts, key=lambda item: item.sk, reverse=True)
    return [_entry(item) for item in islice(newest, limit)]


def _newest(shard: str, limit: int, low: str, high: str) -> Iterator[EntryItem]:
    """A range of a key includes both ends: whatever stands at `high` is left out here."""
    found = EntryItem.query(
        EntryItem.partition(shard),
        EntryItem.sk.between(low, high),
        scan_index_forward=False,
        limit=limit + 1,
        page_size=limit + 1,
        consistent_read=True,
    )
    return (item for item in found if item.sk < high)


def _entry(item: EntryItem) -> Entry:
    moment, _, transfer_id = item.sk.partition("#")
    body = orjson.loads(item.body)
    return Entry(
        place=item.sk,
        transfer_id=transfer_id,
        kind=item.kind,
        at=parse_iso(moment),
        debit=int(item.debit),
        credit=int(item.credit),
        legs=tuple(Leg(*leg) for leg in body["legs"]),
        reference=body["reference"],
        reverses=body.get("reverses"),
        hold_id=body.get("hold_id"),
    )


def holds(account_id: str, *, limit: int, before: str | None) -> list[HeldFunds]:
    """At most `limit`; see Book.holds_of."""
    found = HoldItem.query(
        HoldItem.partition(account_id),
        HoldItem.sk < before if before is not None else None,
        scan_index_forward=False,
        limit=limit,
        page_size=limit,
        consistent_read=True,
    )
    return [item.value() for item in found]
