"""Favourites beside the market: kept ids in the table, what they are worth today from memory."""

from typing import Any

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, FieldError, NotFound
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.offers import favorites
from gpubroker.offers.answers import offer_body
from gpubroker.offers.listing import Cursors
from gpubroker.offers.market import Market
from gpubroker.offers.requests import FavoritesPage
from gpubroker.storage.transaction import AlreadyDone


def add(
    market: Market, caller: Caller, offer_id: str, idempotency: Idempotency | None, now: float
) -> tuple[dict[str, Any], bool]:
    """Keep an offer that is on the market: the favourite, and whether it is new. Raises NotFound for no offer.

    The same key and body give the first answer again, also when the offer has left the market since.
    """
    try:
        favorite, fresh = _added(market, caller, offer_id, idempotency, now)
    except (NotFound, AlreadyDone) as problem:
        if idempotency is None:
            raise
        try:
            favorite, fresh = favorites.answered(idempotency)
        except Conflict:
            raise problem from None  # the key was never used: what the request met now is the answer
    return {"offer_id": favorite.offer_id, "added_at": favorite.added_at}, fresh


def _added(
    market: Market, caller: Caller, offer_id: str, idempotency: Idempotency | None, now: float
) -> tuple[favorites.Favorite, bool]:
    if offer_id not in market.index.where:
        fields = (FieldError("offer_id", "is not on the market"),)
        raise NotFound("There is no such offer on the market now.", fields=fields)
    return favorites.add(caller.tenant, offer_id, now, idempotency)


def listed(market: Market, caller: Caller, wanted: FavoritesPage, cursors: Cursors, now: float) -> bytes:
    """A page of favourites, each with its offer as it stands now, or null when that left the market."""
    after = None
    if wanted.cursor is not None:
        (after,) = cursors.decode(wanted.cursor, caller=caller, query="favorites")
    found, following = favorites.page_of(caller.tenant, after, wanted.limit)
    index, freshness = market.index, market.freshness(now)
    entries = []
    for favorite in found:
        row = index.where.get(favorite.offer_id)
        offer = b"null" if row is None else offer_body(index, row, freshness)
        head = {"offer_id": favorite.offer_id, "added_at": favorite.added_at, "on_market": row is not None}
        entries.append(orjson.dumps(head)[:-1] + b',"offer":' + offer + b"}")
    cursor = cursors.encode([following], caller=caller, query="favorites") if following else None
    return b'{"favorites":[%b],"next_cursor":%b,"providers":%b}' % (
        b",".join(entries),
        orjson.dumps(cursor),
        freshness.providers,
    )
