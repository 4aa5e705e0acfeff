"""gpuhunt's catalogue over the same offers: dstack's library for the same question (PyPI, MPL-2.0)."""

import time
from collections.abc import Iterable

from gpuhunt import AcceleratorVendor, Catalog, CatalogItem
from gpuhunt._internal.catalog import OFFLINE_PROVIDERS, ProviderCatalog

from gpubroker.offers.offer import Offer
from gpubroker.offers.slugs import SLUGS

# Its list of providers is closed; which name stands for which changes nothing of its work.
NAMES = dict(zip(SLUGS, OFFLINE_PROVIDERS, strict=False))


def catalog_of(offers: Iterable[Offer]) -> Catalog:
    items: dict[str, list[CatalogItem]] = {name: [] for name in OFFLINE_PROVIDERS}
    for offer in offers:
        items[NAMES[offer.provider]].append(
            CatalogItem(
                provider=NAMES[offer.provider],
                instance_name=offer.provider_offer_id,
                location=offer.region or "",
                price=offer.price_micros_per_hour / 1_000_000,
                cpu=int(offer.vcpus or 0),
                memory=offer.ram_gb or 0.0,
                gpu_count=offer.gpu_count,
                gpu_name=offer.gpu_model,
                gpu_memory=float(offer.vram_gb_per_gpu or 0),
                spot=offer.spot,
                disk_size=offer.disk_gb,
                gpu_vendor=AcceleratorVendor.NVIDIA,
            )
        )
    catalog = Catalog(balance_resources=False, auto_reload=False)
    catalog.catalog = {name: ProviderCatalog("bench", own) for name, own in items.items()}
    catalog.loaded_at = time.monotonic()
    return catalog
