"""Pages of the market: the warm path of the list, and each query of a bulk."""

from typing import Any, NamedTuple, Protocol

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import FieldError, Invalid, NotFound, Problem
from gpubroker.offers import query
from gpubroker.offers.answers import page_body
from gpubroker.offers.filters import filters_of, hold_to_plan
from gpubroker.offers.market import Freshness, Market
from gpubroker.offers.requests import BulkQuery, PageFields

PER_PAGE = 20
MEMO = 512
"""Pages of one snapshot that are kept ready: at most 100 offers each, usually 12 KB."""
EDGE_SECONDS = 5
"""How long the edge may repeat an answer to anonymous callers: no longer than a snapshot stays unseen anyway."""


class Cursors(Protocol):
    """Signing and reading of cursors, which the edge knows how to do."""

    def encode(self, position: list[Any], *, caller: Caller | None, query: str) -> str: ...

    def decode(self, cursor: str, *, caller: Caller | None, query: str) -> list[Any]: ...


def caching(caller: Caller) -> dict[str, str]:
    """The headers that let the edge repeat what anybody may see; an answer to credentials is never repeated."""
    if caller.anonymous:
        return {"cache-control": f"public, max-age={EDGE_SECONDS}", "vary": "authorization, x-api-key"}
    return {}


def one(market: Market, offer_id: str, now: float) -> bytes:
    """One offer as JSON, with the freshness of its provider's part. Raises NotFound."""
    index = market.index
    row = index.where.get(offer_id)
    if row is None:
        raise NotFound("There is no such offer on the market now.")
    freshness = market.freshness(now)
    offer = index.fragments[row] + freshness.tails[index.providers[row]]
    part = next(view for view in market.part_views(now) if view["provider"] == index.providers[row])
    return b'%b,"providers":%b}' % (offer[:-1], orjson.dumps([part]))


def bulk(market: Market, wanted: BulkQuery, caller: Caller, cursors: Cursors, now: float) -> bytes:
    """Each query's page, in their order, of one snapshot. A fault is named with the query it stands in."""
    pages = []
    for number, fields in enumerate(wanted.queries):
        try:
            pages.append(page(market, fields, caller, cursors, now))
        except Problem as problem:
            problem.fields = tuple(
                FieldError(f"queries.{number}.{error.field}", error.message) for error in problem.fields
            )
            raise
    return b'{"results":[%b]}' % b",".join(pages)


def page(market: Market, wanted: PageFields, caller: Caller, cursors: Cursors, now: float) -> bytes:
    """One page as JSON. Raises Forbidden for what the plan lacks, Invalid for what makes no sense."""
    hold_to_plan(wanted, caller)
    freshness = market.freshness(now)
    key = None if wanted.cursor else wanted.key()  # whoever asks again asks for a first page: cursors are not kept
    made: _Made | None = market.memo.get(key) if key else None
    if made is None or made.freshness is not freshness:
        made = _made(market, wanted, caller, cursors, freshness)
        if key:
            if len(market.memo) >= MEMO:
                market.memo.clear()
            market.memo[key] = made
    following = None
    if made.mark is not None:
        following = cursors.encode(made.mark, caller=caller, query=made.belongs)
    return made.head + (b"null" if following is None else orjson.dumps(following)) + made.tail


class _Made(NamedTuple):
    """A page but for its next cursor, which is the caller's own, and what that is made of."""

    freshness: Freshness
    head: bytes
    tail: bytes
    mark: list[Any] | None
    belongs: str


def _made(market: Market, wanted: PageFields, caller: Caller, cursors: Cursors, freshness: Freshness) -> _Made:
    filters = filters_of(wanted, market.index, market.providers)
    if wanted.per_page is not None and wanted.limit is not None:
        raise Invalid.of("limit", "is the same as per_page: give one of them")
    size = wanted.per_page or wanted.limit or PER_PAGE
    index, sort, number = market.index, wanted.sort, wanted.page
    belongs = f"{sort}\x1e{filters.text()}"
    if wanted.cursor is None:
        number = number or 1
        found = query.page_number(index, filters, sort, number, size)
    elif number is not None:
        raise Invalid.of("cursor", "says where to go on, and so does page: give one of them")
    else:
        mark = cursors.decode(wanted.cursor, caller=caller, query=belongs)
        found = query.page_after(index, filters, sort, mark, size)
    head, tail = page_body(market, found.rows, freshness, sort=sort, total=found.total, size=size, number=number)
    return _Made(freshness, head, tail, index.mark(sort, found.rows[-1]) if found.more else None, belongs)
