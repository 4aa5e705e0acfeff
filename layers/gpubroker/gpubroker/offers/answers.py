"""Answers as bytes, joined from what is encoded already: the fragments of offers and the freshness of their parts."""

from collections.abc import Iterable

import orjson

from gpubroker.offers.index import OfferIndex, Sort
from gpubroker.offers.market import Freshness, Market


def offer_list(index: OfferIndex, rows: Iterable[int], freshness: Freshness, *, scored: bool = False) -> bytes:
    """The offers of these rows, comma separated; with the market's TOPSIS score where they are ordered by it."""
    fragments, providers, tails = index.fragments, index.providers, freshness.tails
    if scored:
        return b",".join(
            [b'%b,"score":%a%b' % (fragments[row], index.score(row), tails[providers[row]]) for row in rows]
        )
    return b",".join([fragments[row] + tails[providers[row]] for row in rows])


def page_body(
    market: Market, rows: list[int], freshness: Freshness, *, sort: Sort, total: int, size: int, number: int | None,
    next_cursor: str | None,
) -> bytes:  # fmt: skip
    """One page: {offers, total, page, per_page, next_cursor, sort, providers, warnings}."""
    return (
        b'{"offers":[%b],"total":%d,"page":%b,"per_page":%d,"next_cursor":%b,"sort":"%b","providers":%b,"warnings":%b}'
        % (
            offer_list(market.index, rows, freshness, scored=sort == "score"),
            total,
            b"null" if number is None else b"%d" % number,
            size,
            b"null" if next_cursor is None else orjson.dumps(next_cursor),
            sort.encode(),
            freshness.providers,
            freshness.warnings,
        )
    )
