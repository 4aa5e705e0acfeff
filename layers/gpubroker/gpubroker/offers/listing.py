"""Pages of the market: the warm path of the list, and each query of a bulk."""

from typing import Any, NamedTuple, Protocol

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import FieldError, Invalid, NotFound, Problem
from gpubroker.offers import query
from gpubroker.offers.answers import offer_body, page_body
from gpubroker.offers.filters import filters_of, hold_to_plan
from gpubroker.offers.market import Freshness, Market
from gpubroker.offers.query import Filters
from gpubroker.offers.requests import BulkQuery, FilterFields, PageFields

PER_PAGE = 20
MEMO = 512
"""Pages and queries of one snapshot that are kept ready; a page holds at most 100 offers, usually 12 KB."""
_FILTERS_AND_SORT = len(FilterFields.model_fields) + 1  # the first fields of PageFields
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
    offer = offer_body(index, row, freshness)
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
    asked = _asked(market, wanted)
    mark: list[Any] = []
    if wanted.cursor is not None:
        if wanted.page is not None:
            raise Invalid.of("cursor", "says where to go on, and so does page: give one of them")
        mark = cursors.decode(wanted.cursor, caller=caller, query=asked.belongs)
    key = wanted.key()
    made: _Made | None = market.memo.get(key)
    if made is None or made.freshness is not freshness:
        made = _made(market, wanted, asked, mark, freshness)
        _keep(market, key, made)
    following = None
    if made.mark is not None:
        following = cursors.encode(made.mark, caller=caller, query=asked.belongs)
    return made.head + (b"null" if following is None else orjson.dumps(following)) + made.tail


class _Asked(NamedTuple):
    """What a request asks of this market, and the text that its cursors belong to."""

    filters: Filters
    belongs: str


class _Made(NamedTuple):
    """A page but for its next cursor, which is the caller's own: what stands around it, and where it points."""

    freshness: Freshness
    head: bytes
    tail: bytes
    mark: list[Any] | None


def _asked(market: Market, wanted: PageFields) -> _Asked:
    key = (wanted.key()[:_FILTERS_AND_SORT],)
    asked: _Asked | None = market.memo.get(key)
    if asked is None:
        filters = filters_of(wanted, market.index, market.providers)
        asked = _Asked(filters, f"{wanted.sort}\x1e{filters.text()}")
        _keep(market, key, asked)
    return asked


def _made(market: Market, wanted: PageFields, asked: _Asked, mark: list[Any], freshness: Freshness) -> _Made:
    if wanted.per_page is not None and wanted.limit is not None:
        raise Invalid.of("limit", "is the same as per_page: give one of them")
    size = wanted.per_page or wanted.limit or PER_PAGE
    index, sort, number = market.index, wanted.sort, wanted.page
    if mark:
        found = query.page_after(index, asked.filters, sort, mark, size)
    else:
        number = number or 1
        found = query.page_number(index, asked.filters, sort, number, size)
    head, tail = page_body(market, found.rows, freshness, sort=sort, total=found.total, size=size, number=number)
    return _Made(freshness, head, tail, index.mark(sort, found.rows[-1]) if found.more else None)


def _keep(market: Market, key: Any, value: object) -> None:
    if len(market.memo) >= MEMO:
        market.memo.clear()
    market.memo[key] = value
