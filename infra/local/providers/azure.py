"""Microsoft Azure's retail prices: an OData filter and pages. Wire format: the Azure Retail Prices documentation."""

import re
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer
from infra.local.providers.world import Shape, chance, facts

SLUG = "azure"
PAGE = 100

_REGIONS = (
    "eastus", "eastus2", "southcentralus", "westus2", "westus3", "canadacentral", "brazilsouth", "northeurope",
    "westeurope", "uksouth", "francecentral", "germanywestcentral", "swedencentral", "switzerlandnorth", "uaenorth",
    "southafricanorth", "centralindia", "southeastasia", "japaneast", "koreacentral", "australiaeast",
)  # fmt: skip


def stock() -> list[Shape]:
    """East US at the published price; elsewhere 0 to 35 % dearer; not every size everywhere."""
    shapes = []
    for size, usd in facts()["azure"].items():
        for region in _REGIONS:
            if region != "eastus" and chance(SLUG, size, region, "sold") > 0.6:
                continue
            factor = Decimal(1) if region == "eastus" else Decimal(str(round(1 + 0.35 * chance(SLUG, region), 2)))
            hourly = (Decimal(usd) * factor).quantize(Decimal("0.0001"))
            shapes.append(
                Shape(
                    key=f"{size}/{region}",
                    gpu=size,
                    gpus=1,
                    vram_gb=0,
                    usd=hourly,
                    spot_usd=(hourly * Decimal(str(round(0.2 + 0.4 * chance(SLUG, size, region, "spot"), 2)))).quantize(
                        Decimal("0.000001")
                    ),
                    region=region,
                    stock=1,
                    group=f"{size}/{region}",
                    details={"size": size},
                )
            )
    return shapes


def _meters(shape: Shape) -> list[dict[str, Any]]:
    size = shape.details["size"]
    name = size.removeprefix("Standard_").replace("_", " ")
    series = re.sub(r"\d+", "", name, count=1)
    common = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "armRegionName": shape.region,
        "location": shape.region,
        "effectiveStartDate": "2026-01-01T00:00:00Z",
        "serviceName": "Virtual Machines",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    }
    linux = f"Virtual Machines {series} Series"
    windows = f"{linux} Windows"

    def meter(suffix: str, product: str, price: Decimal) -> dict[str, Any]:
        return {
            **common,
            "retailPrice": float(price),
            "unitPrice": float(price),
            "meterName": f"{name}{suffix}",
            "skuName": f"{name}{suffix}",
            "productName": product,
        }

    spot = shape.hourly(spot=True)
    return [
        meter("", linux, shape.hourly()),
        meter(" Spot", linux, spot),
        meter(" Low Priority", linux, spot),
        meter("", windows, shape.hourly() * 2),
    ]


async def _list(call: Call) -> Response:
    asked = call.request.query_params
    wanted = asked.get("$filter", "")
    region = re.search(r"armRegionName eq '([^']*)'", wanted)
    no_windows = (
        "contains(productName, 'Windows') eq false" in wanted or "contains(productName,'Windows') eq false" in wanted
    )
    rows = [
        row
        for shape in call.world.shapes[SLUG].values()
        if region is None or shape.region == region.group(1)
        for row in _meters(shape)
        if not (no_windows and "Windows" in row["productName"])
    ]
    skip = int(asked.get("$skip", 0))
    page = rows[skip : skip + PAGE]
    following = None
    if skip + PAGE < len(rows):
        url = call.request.url.replace_query_params(**{"$filter": wanted, "$skip": str(skip + PAGE)})
        following = str(url)
    return answer(
        {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": page,
            "NextPageLink": following,
            "Count": len(page),
        }
    )


def _refuse(status: int) -> Response:
    return answer(
        {"Error": {"Code": str(status), "Message": "Too many requests." if status == 429 else "Failed."}}, status
    )


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/api/retail/prices", "list", _list, needs_key=False),),
    refuse=_refuse,
    rows_of=lambda told: [told["Items"]] if "Items" in told else [],
    account=lambda request: "",
)
