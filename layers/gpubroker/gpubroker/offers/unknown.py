"""Names that the tables do not have: a GPU model that passed through as its provider writes it, a place of no region.

They cost nobody an offer; they are counted, so that somebody adds them to `gpus.py` or `regions.py`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gpubroker.offers.gpus import MODELS
from gpubroker.offers.offer import Offer

SHOWN = 20
"""Names that are told one by one; all are counted."""


@dataclass(slots=True)
class UnknownNames:
    """How many offers have a GPU or a place of this name. A place is "<provider>: <native name>"."""

    gpus: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    def note(self, offers: Iterable[Offer]) -> None:
        """Count those of an answer."""
        for offer in offers:
            if offer.gpu_model not in MODELS:
                self.gpus[offer.gpu_model] += 1
            if offer.region is None and offer.native_region:
                self.places[f"{offer.provider}: {offer.native_region}"] += 1

    def told(self) -> dict[str, list[str]]:
        """The most frequent ones, for the record of a sync; nothing when all are known."""
        named = {"unknown_gpus": self.gpus, "unknown_places": self.places}
        return {name: [one for one, _ in counted.most_common(SHOWN)] for name, counted in named.items() if counted}

    def metrics(self) -> dict[str, int]:
        return {"UnknownGpuNames": len(self.gpus), "UnknownRegionNames": len(self.places)}
