"""The market in the table, for the contexts that ask it: rentals and alerts."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpubroker.offers.lookup import OfferLookup
    from gpubroker.offers.offer import Offer


@cache
def offer_lookup() -> "OfferLookup":
    """One offer by its id, and those like it."""
    from gpubroker.offers.lookup import OfferLookup

    return OfferLookup()


def market_now() -> "Iterator[Offer]":
    """Every offer of the snapshot in the table, a part at a time."""
    from gpubroker.offers import store
    from gpubroker.offers.slugs import SLUGS

    return (offer for state, offers in store.parts_of(SLUGS) if state is not None for offer in offers)
