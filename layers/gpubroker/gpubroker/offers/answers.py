"""Answers as bytes, joined from what is encoded already: the fragments of offers and the freshness of their parts."""

from collections.abc import Iterable

import orjson

from gpubroker.offers.index import OfferIndex, Sort
from gpubroker.offers.market import Freshness, Market

_NO_SOURCES = b"[]}"


def offer_list(index: OfferIndex, rows: Iterable[int], freshness: Freshness, *, scored: bool = False) -> bytes:
    """The offers of these rows, comma separated; with the market's TOPSIS score where they are ordered by it."""
    fragments, providers, tails, merged = index.fragments, index.providers, freshness.tails, index.merged.groups
    if scored:
        return b",".join([b'%b,"score":%a%b' % (fragments[row], index.score(row), _tail(index, row, freshness))
                          for row in rows])  # fmt: skip
    if not merged:
        return b",".join([fragments[row] + tails[providers[row]] for row in rows])
    return b",".join([fragments[row] + _tail(index, row, freshness) for row in rows])


def offer_body(index: OfferIndex, row: int, freshness: Freshness) -> bytes:
    """One offer, whole."""
    return index.fragments[row] + _tail(index, row, freshness)


def _tail(index: OfferIndex, row: int, freshness: Freshness) -> bytes:
    """What is joined to an offer's own JSON: how fresh it is, and the other ways to have the same machine."""
    tail = freshness.tails[index.providers[row]]
    if row not in index.merged.groups:
        return tail
    others = [_source(index, other, freshness) for other in index.merged.others(row)]
    return b"%b[%b]}" % (tail.removesuffix(_NO_SOURCES), b",".join(others))


_SHOWN = (
    "offer_id",
    "provider",
    "source",
    "price_per_hour",
    "price_micros_per_hour",
    "price_per_gpu_hour",
    "price_micros_per_gpu_hour",
    "availability",
    "rentable",
)


def _source(index: OfferIndex, row: int, freshness: Freshness) -> bytes:
    """What tells one source of a machine from another."""
    offer = orjson.loads(index.fragments[row] + b"}")
    stale = orjson.loads(b"{" + freshness.tails[index.providers[row]][1:])["stale"]
    return orjson.dumps({name: offer[name] for name in _SHOWN} | {"stale": stale})


def page_body(
    market: Market, rows: list[int], freshness: Freshness, *, sort: Sort, total: int, size: int, number: int | None
) -> tuple[bytes, bytes]:
    """{offers, total, page, per_page, sort, providers, warnings, next_cursor}, before and after the cursor."""
    head = (
        b'{"offers":[%b],"total":%d,"page":%b,"per_page":%d,"sort":"%b","providers":%b,"warnings":%b,"next_cursor":'
        % (
            offer_list(market.index, rows, freshness, scored=sort == "score"),
            total,
            b"null" if number is None else b"%d" % number,
            size,
            sort.encode(),
            freshness.providers,
            freshness.warnings,
        )
    )
    return head, b"}"
