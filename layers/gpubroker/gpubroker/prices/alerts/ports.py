"""What alerts need of the market: names, and prices of now. Joined with offers in composition/alerts.py."""

from typing import Protocol

from gpubroker.kernel.money import MicroUsd
from gpubroker.prices.alerts.alert import Quote, Selector


class Market(Protocol):
    def gpu(self, name: str) -> tuple[str, int | None] | None:
        """The canonical model behind a name and the memory (GB) that the name says; None when nobody knows it."""
        ...

    def regions(self, name: str) -> tuple[str, ...]:
        """The canonical regions that a name covers, sorted; empty when there is no such region."""
        ...

    def providers(self) -> tuple[str, ...]: ...

    def price_of(self, offer_id: str) -> MicroUsd | None:
        """USD micros per GPU-hour now; None when the offer is not on the market, or cannot be had. One read."""
        ...

    def cheapest(self, selector: Selector) -> Quote | None:
        """The cheapest offer that may be had, per GPU-hour. Reads the whole market: for an alert that is being made."""
        ...
