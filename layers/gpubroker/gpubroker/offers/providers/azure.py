"""Microsoft Azure: retail prices of VM sizes with GPUs, per region, on demand and spot. Public, no key.

GET /api/retail/prices with an OData $filter, one region at a time ($skip over a moving list loses rows), pages by
NextPageLink, which has been empty with more to come before: a full page without a link is followed by $skip.
Units: retailPrice USD per hour of the whole VM. Specifications are from the table in `azure_sizes.py`.
Availability is not said. Windows, Low Priority, reservations and savings plans are other products.
Source: learn.microsoft.com/rest/api/cost-management/retail-prices, dstackai/gpuhunt providers/azure.py.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.providers.azure_sizes import AS_OF, SIZES
from gpubroker.offers.regions import canonical_region

SLUG = "azure"
ORIGIN = "https://prices.azure.com"
SOURCE = f"GET /api/retail/prices + VM sizes as of {AS_OF}"

# fmt: off
REGIONS = (
    "eastus", "eastus2", "centralus", "northcentralus", "southcentralus", "westus", "westus2", "westus3",
    "canadacentral", "canadaeast", "brazilsouth", "northeurope", "westeurope", "uksouth", "francecentral",
    "germanywestcentral", "italynorth", "polandcentral", "spaincentral", "swedencentral", "switzerlandnorth",
    "norwayeast", "uaenorth", "israelcentral", "southafricanorth", "centralindia", "southeastasia", "eastasia",
    "japaneast", "koreacentral", "australiaeast",
)
"""The regions that sell GPU sizes (azure.microsoft.com/explore/global-infrastructure/products-by-region)."""
# fmt: on

_MOST_PAGES = 20
_PAGE = 100


class Meter(wire.Row):
    armSkuName: str | None = None  # noqa: N815  (the wire's own names, here and below)
    armRegionName: str  # noqa: N815
    meterName: str  # noqa: N815
    productName: str  # noqa: N815
    retailPrice: Decimal  # noqa: N815
    currencyCode: str  # noqa: N815
    unitOfMeasure: str  # noqa: N815
    type: str | None = None
    isPrimaryMeterRegion: bool | None = None  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"Items": of all regions}. All or nothing: a region that failed must not look like one that sells nothing."""
    found = await asking.side_by_side(lambda region: _region(client, base_url, region), REGIONS)
    return {"Items": [row for rows in found.values() for row in rows]}


async def _region(client: httpx.AsyncClient, base_url: str, region: str) -> list[Any]:
    wanted = (
        f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}' "
        "and contains(armSkuName, 'Standard_N') and contains(productName, 'Windows') eq false"
    )
    rows: list[Any] = []
    for _ in range(_MOST_PAGES):
        answer = await asking.ask(
            client,
            SLUG,
            "GET",
            f"{base_url}/api/retail/prices",
            params={"$filter": wanted, "$skip": str(len(rows))},
        )
        page = wire.member(SLUG, answer, "Items")
        rows += page
        if not page or (_skip_of(answer.get("NextPageLink")) is None and len(page) % _PAGE):
            break
    return rows


def _skip_of(link: object) -> int | None:
    """The $skip of a next page; its host is of no interest, since we ask our own base again."""
    skip = parse_qs(urlsplit(link).query).get("$skip", [""])[0] if isinstance(link, str) else ""
    return int(skip) if skip.isdigit() else None


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"Items": [...]} to offers of the GPU sizes in it."""
    harvest = wire.Harvest(SLUG, fetched_at)
    harvest.each(Meter, wire.member(SLUG, payload, "Items"), lambda meter: _offers(meter, harvest.fetched_at))
    return harvest.offers()


def _offers(meter: Meter, fetched_at: datetime) -> Iterable[Offer]:
    size = SIZES.get(meter.armSkuName or "")
    other_product = (
        meter.type not in (None, "Consumption")
        or "Windows" in meter.productName
        or "Low Priority" in meter.meterName
        or meter.isPrimaryMeterRegion is False
    )
    if size is None or other_product:
        return
    if meter.unitOfMeasure != "1 Hour":
        raise wire.Refused("unitOfMeasure")
    if meter.currencyCode != "USD":
        raise wire.Refused("currency")
    spot = "Spot" in meter.meterName
    cost = wire.priced(meter.retailPrice, gpus=size.gpus)
    yield Offer(
        offer_id=offer_id_of(SLUG, meter.armSkuName, meter.armRegionName, "spot" if spot else ""),
        provider=SLUG,
        provider_offer_id=str(meter.armSkuName),
        source=SOURCE,
        gpu_model=size.gpu,
        gpu_count=size.gpus,
        vram_gb_per_gpu=size.vram_gb,
        vcpus=size.vcpus,
        ram_gb=size.ram_gb,
        interconnect=size.form,
        region=canonical_region(SLUG, meter.armRegionName),
        native_region=meter.armRegionName,
        **cost,
        spot=spot,
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
