"""Answers as bytes, joined from what is encoded already: the fragments of offers and the freshness of their parts."""

from collections.abc import Iterable

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
