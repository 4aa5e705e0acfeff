"""Favourite offers of a tenant, the same on all of its devices (checklist 272).

    <tenant>#FAVORITES  OFFER#<offer id>   added_at

A favourite outlives its offer: one that left the market is listed as gone until it is removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError

from gpubroker.kernel.errors import Conflict
from gpubroker.kernel.time import iso
from gpubroker.storage.table import Item, Table
from gpubroker.storage.transaction import lost_condition

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


def add(tenant: str, offer_id: str, now: float) -> tuple[Favorite, bool]:
    """Keep a favourite; the second time changes nothing. The favourite, and whether it is new."""
    item = FavoriteItem(_pk(tenant), _OFFER + offer_id, added_at=iso(datetime.fromtimestamp(now, UTC)))
    try:
        item.save(FavoriteItem.pk.does_not_exist())
    except PutError as error:
        if not lost_condition(error):
            raise
    else:
        return Favorite(offer_id, item.added_at), True
    try:
        return _favorite(FavoriteItem.get(_pk(tenant), _OFFER + offer_id, consistent_read=True)), False
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
