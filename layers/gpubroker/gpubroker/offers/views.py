"""How an offer looks to a caller: one JSON object, encoded once when the offer changes and joined into pages.

What changes at every sync (when its provider was last asked, whether that is too long ago) is not part of it but
joined to it (market.Freshness.tails), so that an unchanged offer keeps its bytes for days.
"""

from typing import Any

from gpubroker.kernel.money import usd
from gpubroker.offers import gpus
from gpubroker.offers.offer import Offer


def public(offer: Offer) -> dict[str, Any]:
    """What anybody may see of an offer, without what belongs to its provider's part. Unknown values are null.

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
