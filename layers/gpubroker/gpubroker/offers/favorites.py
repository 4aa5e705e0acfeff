"""Favourite offers of a tenant, the same on all of its devices (checklist 272).

    <tenant>#FAVORITES  OFFER#<offer id>   added_at

A favourite outlives its offer: one that left the market is listed as gone until it is removed.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.storage.idempotency import remember, replay
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import Writes, transaction

_OFFER = "OFFER#"


class FavoriteItem(Item):
    class Meta(Table):
        env = "OFFERS_TABLE"

    added_at = UnicodeAttribute()


@dataclass(frozen=True, slots=True)
class Favorite:
    """added_at: RFC 3339, of the first time."""

    offer_id: str
    added_at: str


class _KeptAlready(Conflict):
    """The favourite was there before."""


def add(tenant: str, offer_id: str, now: float, idempotency: Idempotency | None) -> tuple[Favorite, bool]:
    """Keep a favourite; the second time changes nothing. The favourite, and whether it is new.

    Raises AlreadyDone for a request that was answered before (see `answered`).
    """
    item = FavoriteItem(_pk(tenant), _OFFER + offer_id, added_at=iso(datetime.fromtimestamp(now, UTC)))
    try:
        with transaction(FavoriteItem) as tx:
            _remember(tx, idempotency, favorite := _favorite(item), fresh=True)
            tx.put(item, condition=FavoriteItem.pk.does_not_exist(), lost=_KeptAlready)
        return favorite, True
    except _KeptAlready:
        favorite = _kept(tenant, offer_id)
    with transaction(FavoriteItem) as tx:
        _remember(tx, idempotency, favorite, fresh=False)
    return favorite, False


def answered(idempotency: Idempotency) -> tuple[Favorite, bool]:
    """What `add` gave when this very request came first. Raises KeyReused, and Conflict when it never came."""
    answer = replay(FavoriteItem, idempotency)
    return Favorite(answer["offer_id"], answer["added_at"]), answer["fresh"]


def _remember(tx: Writes, idempotency: Idempotency | None, favorite: Favorite, *, fresh: bool) -> None:
    remember(tx, FavoriteItem, idempotency, asdict(favorite) | {"fresh": fresh})


def _kept(tenant: str, offer_id: str) -> Favorite:
    try:
        return _favorite(FavoriteItem.get(_pk(tenant), _OFFER + offer_id, consistent_read=True))
    except DoesNotExist:  # removed on another device between the two calls
        raise Conflict("This favourite was removed meanwhile; add it again.", retry_after=1) from None


def remove(tenant: str, offer_id: str) -> None:
    """Forget a favourite; one that is not there is forgotten already."""
    FavoriteItem(_pk(tenant), _OFFER + offer_id).delete()


def page_of(tenant: str, after: str | None, size: int) -> tuple[list[Favorite], str | None]:
    """Favourites in the order of their offers' ids, and the id to go on after, or None."""
    found: Iterable[Any] = FavoriteItem.query(
        _pk(tenant),
        FavoriteItem.sk > _OFFER + after if after else FavoriteItem.sk.startswith(_OFFER),
        limit=size + 1,
        page_size=size + 1,
        consistent_read=True,
    )
    favorites = [_favorite(item) for item in found]
    return favorites[:size], favorites[size - 1].offer_id if len(favorites) > size else None


def _favorite(item: FavoriteItem) -> Favorite:
    return Favorite(item.sk.removeprefix(_OFFER), item.added_at)


def _pk(tenant: str) -> str:
    return f"{tenant}#FAVORITES"
