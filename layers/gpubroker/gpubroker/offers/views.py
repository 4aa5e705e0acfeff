"""How an offer looks to a caller: one JSON object, encoded once when the offer changes and joined into pages.

What changes at every sync (when its provider was last asked, whether that is too long ago) is not part of the
fragment but of the `Tail` of its provider, so that an unchanged offer keeps its bytes for days.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from gpubroker.kernel.money import usd
from gpubroker.kernel.time import iso
from gpubroker.offers import gpus
from gpubroker.offers.offer import Offer


def public(offer: Offer) -> dict[str, Any]:
    """What anybody may see of an offer, without what belongs to its provider's tail. Unknown values are null.

    Prices are USD, with the exact integer number of micro-USD beside them; `fp16_tflops` and
    `memory_bandwidth_gb_s` are of one GPU, from the dated table in gpu_figures.py.
    """
    figures = gpus.performance(offer.gpu_model, offer.interconnect, offer.vram_gb_per_gpu)
    return {
        "offer_id": offer.offer_id,
        "provider": offer.provider,
        "provider_offer_id": offer.provider_offer_id,
        "source": offer.source,
        "gpu_model": offer.gpu_model,
        "gpu_count": offer.gpu_count,
        "vram_gb_per_gpu": offer.vram_gb_per_gpu,
        "vcpus": offer.vcpus,
        "ram_gb": offer.ram_gb,
        "disk_gb": offer.disk_gb,
        "interconnect": offer.interconnect,
        "region": offer.region,
        "native_region": offer.native_region,
        "price_per_hour": usd(offer.price_micros_per_hour),
        "price_micros_per_hour": offer.price_micros_per_hour,
        "price_per_gpu_hour": usd(offer.price_micros_per_gpu_hour),
        "price_micros_per_gpu_hour": offer.price_micros_per_gpu_hour,
        "currency": offer.currency,
        "native_price": offer.native_price,
        "spot": offer.spot,
        "availability": offer.availability.value,
        "availability_confidence": offer.availability_confidence,
        "reliability": offer.reliability,
        "fp16_tflops": figures.fp16_tflops if figures else None,
        "memory_bandwidth_gb_s": figures.bandwidth_gb_s if figures else None,
        "compliance_tags": list(offer.compliance_tags),
        "rentable": offer.rentable,
    }


def fragment(offer: Offer) -> bytes:
    """`public` as JSON, open at its end: a `Tail` closes it."""
    return orjson.dumps(public(offer))[:-1]


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of every fragment of one provider."""

    text: bytes

    @classmethod
    def of(cls, fetched_at: float, *, stale: bool) -> "Tail":
        moment = iso(datetime.fromtimestamp(fetched_at, UTC))
        return cls(b',"fetched_at":"' + moment.encode() + (b'","stale":true}' if stale else b'","stale":false}'))
