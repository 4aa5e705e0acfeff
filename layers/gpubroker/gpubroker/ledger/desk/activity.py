"""What happened to an account, the newest first, as those see it who may."""

from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.ledger.book import Book, Entry
from gpubroker.ledger.desk.span import Span
from gpubroker.ledger.desk.views import EntryView

MOST_LOOKED_AT = 2_000
"""Entries that one request reads for a rare kind; then it answers with what it has, and a cursor."""
_AT_ONCE = 200


def page(book: Book, account_id: str, span: Span, limit: int) -> tuple[list[EntryView], str | None]:
    """At most `limit` entries, and the position that the next page goes on from (None on the last)."""
    found: list[EntryView] = []
    position, looked_at = span.before, 0
    size = limit + 1 if span.kind is None else _AT_ONCE
    while looked_at < MOST_LOOKED_AT:
        entries = book.activity(account_id, limit=size, before=position, since=span.since, until=span.until)
        for entry in entries:
            if len(found) == limit:
                return found, position
            position, looked_at = entry.place, looked_at + 1
            if span.kind is None or entry.kind == span.kind:
                found.append(_view(account_id, entry))
        if len(entries) < size:
            return found, None
    return found, position


def _view(account_id: str, entry: Entry) -> EntryView:
    others = {side for leg in entry.legs for side in (leg.debit, leg.credit)} - {account_id}
    return EntryView(
        transfer_id=entry.transfer_id,
        kind=entry.kind,
        amount=usd(entry.amount),
        amount_micros=entry.amount,
        counterparties=sorted(others),
        reference=dict(entry.reference),
        reverses=entry.reverses,
        hold_id=entry.hold_id,
        at=iso(entry.at),
    )
