"""The market as alerts see it, over the table of offers."""

from collections.abc import Callable
from typing import Any

import pytest

from gpubroker.composition import alerts as composition
from gpubroker.offers import parts, store
from gpubroker.offers.offer import Availability, Offer
from gpubroker.offers.state import PartState
from gpubroker.prices.alerts.alert import Selector
from tests.unit.offers.making import AT, an_offer


def on_the_market(*offers: Offer) -> None:
    state = PartState(provider="vastai")
    store.save_part(state, PartState(provider="vastai", fetched_at=AT), parts.bucketed(offers), lambda names: [])


@pytest.mark.parametrize("availability", list(Availability))
def test_what_cannot_be_had_holds_no_alert_and_fires_none_as_it_is_made(
    make_table: Callable[[str], Any], availability: Availability
) -> None:
    make_table("offers")
    offer = an_offer(price=1.4, availability=availability)
    on_the_market(offer)
    market = composition.alert_market()
    found = market.cheapest(Selector("H100"))
    told = market.price_of(offer.offer_id), found and found.price_micros
    assert told == ((None, None) if availability is Availability.UNAVAILABLE else (1_400_000, 1_400_000))
    assert market.price_of("vastai-gone") is None
