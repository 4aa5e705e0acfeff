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

    Prices are USD, with the exact integer number of micro-USD beside them, null where the provider tells none;
    `exchange_rate` is USD for one unit of `currency` on the day beside it; `fp16_tflops` and
    `memory_bandwidth_gb_s` are of one GPU, from the dated table in gpu_figures.py.
    """
    figures = gpus.performance(offer.gpu_model, offer.interconnect, offer.vram_gb_per_gpu)
    return {
        "offer_id": offer.offer_id,
        "provider": offer.provider,
        "cloud": offer.cloud or offer.provider,
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
        "price_per_hour": _usd(offer.price_micros_per_hour),
        "price_micros_per_hour": offer.price_micros_per_hour,
        "price_per_gpu_hour": _usd(offer.price_micros_per_gpu_hour),
        "price_micros_per_gpu_hour": offer.price_micros_per_gpu_hour,
        "currency": offer.currency,
        "native_price": offer.native_price,
        "exchange_rate": offer.exchange_rate,
        "exchange_rate_as_of": offer.exchange_rate_as_of,
        "spot": offer.spot,
        "availability": offer.availability._value_,
        "availability_confidence": offer.availability_confidence,
        "reliability": offer.reliability,
        "fp16_tflops": figures.fp16_tflops if figures else None,
        "memory_bandwidth_gb_s": figures.bandwidth_gb_s if figures else None,
        "compliance_tags": list(offer.compliance_tags),
        "rentable": offer.rentable,
    }


def _usd(micros: int | None) -> float | None:
    return None if micros is None else usd(micros)
