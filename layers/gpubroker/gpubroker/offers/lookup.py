"""One offer by its id, whole, from the truth: what a rental agrees on. One call.

Everything that browses reads the market in memory instead (market.py); here `launch` is included, and nothing is old.
"""

from collections.abc import Iterator
from itertools import groupby, zip_longest

from gpubroker.offers import parts, store
from gpubroker.offers.integrations.store import Integration, with_bucket
from gpubroker.offers.offer import Availability, Offer
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import PartState
from gpubroker.resilience.balancer import Turn


class OfferLookup:
    """Reads the table; see store.py for its layout. One for each process: it remembers whose turn it is."""

    def __init__(self) -> None:
        self._turn: Turn[str] = Turn()

    def offer(self, offer_id: str) -> Offer | None:
        """The offer as its provider last told of it; None when it is not (or no longer) on the market. One GetItem.

        Its `fetched_at` is of the answer that last changed it or one of its bucket: it is at least as fresh.
        """
        provider = offer_id.rpartition("-")[0]
        if provider not in SLUGS:
            return None
        offers = store.bucket(provider, parts.bucket_of(offer_id))
        return next((offer for offer in offers if offer.offer_id == offer_id), None)

    def offer_for(self, tenant: str, offer_id: str) -> tuple[Offer | None, Integration | None]:
        """The same, with what the tenant has of its own at the provider, in use or not; one call for both."""
        provider = offer_id.rpartition("-")[0]
        if provider not in SLUGS:
            return None, None
        offers, integration = with_bucket(tenant, provider, parts.bucket_of(offer_id))
        return next((offer for offer in offers if offer.offer_id == offer_id), None), integration

    def similar(self, offer: Offer, limit: int) -> list[Offer]:
        """Rentable offers of the same GPU model and count, not unavailable, the nearest first; never the offer itself.

        Nearest: the same kind (spot or not), the same provider, the same region, then the smallest step in price. Of
        equally near ones of several providers, by weighted round robin; those of failing providers last.
        """
        return self.like(
            offer.gpu_model,
            offer.gpu_count,
            limit=limit,
            near=offer,
        )

    def like(self, gpu_model: str, gpu_count: int, *, limit: int, near: Offer | None = None) -> list[Offer]:
        """Rentable offers of a GPU model and count; by price where there is no offer to be near to."""
        states: dict[str, PartState] = {}
        found = [
            offer
            for state, offers in store.parts_of(SLUGS)
            if state is not None and states.setdefault(state.provider, state)
            for offer in offers
            if offer.rentable
            and offer.price_micros_per_hour is not None
            and offer.gpu_model == gpu_model
            and offer.gpu_count == gpu_count
            and offer.availability is not Availability.UNAVAILABLE
            and (near is None or offer.offer_id != near.offer_id)
        ]

        def distance(offer: Offer) -> tuple[bool, bool, bool, int]:
            price = offer.price_micros_per_hour or 0
            if near is None:
                return (False, False, False, price)
            return (
                offer.spot != near.spot,
                offer.provider != near.provider,
                offer.region != near.region,
                abs(price - (near.price_micros_per_hour or 0)),
            )

        nearest: list[Offer] = []
        for _, alike in groupby(sorted(found, key=lambda offer: (distance(offer), offer.offer_id)), key=distance):
            nearest += self._in_turn(list(alike), states)
            if len(nearest) >= limit:
                break
        return nearest[:limit]

    def _in_turn(self, alike: list[Offer], states: dict[str, PartState]) -> Iterator[Offer]:
        """Equally good offers: one of each provider in the order of their turns, then the next ones."""
        waiting: dict[str, list[Offer]] = {}
        for offer in alike:
            waiting.setdefault(offer.provider, []).append(offer)
        if len(waiting) == 1:
            yield from alike
            return
        sick = {provider for provider in waiting if not states[provider].healthy}
        order = list(self._turn.round({provider: states[provider].weight for provider in waiting}, sick))
        for row in zip_longest(*(waiting[provider] for provider in order)):
            yield from (offer for offer in row if offer is not None)
