"""Google Cloud: prices of cores, memory, GPUs and local SSD. Wire format: Cloud Billing Catalog API v1.

What is sold are machines at the sum of their parts, so a machine has no price of its own to change: the shapes here are
the parts, one for each region.
"""

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, header_account, in_list, refusing
from infra.local.providers.world import Shape, chance

SLUG = "gcp"
PAGE = 5000

_PLACES = {
    "us-central1": "Americas",
    "us-east4": "Virginia",
    "europe-west4": "Netherlands",
    "asia-southeast1": "Singapore",
}
# description without its place, unit, USD: near what the price pages showed in 2026, made up where they differ.
_PARTS = (
    ("A2 Instance Core", "h", "0.031611"),
    ("A2 Instance Ram", "GiBy.h", "0.004237"),
    ("A3 Instance Core", "h", "0.02986"),
    ("A3 Instance Ram", "GiBy.h", "0.00260"),
    ("A3Plus Instance Core", "h", "0.02986"),
    ("A3Plus Instance Ram", "GiBy.h", "0.00260"),
    ("G2 Instance Core", "h", "0.02498844"),
    ("G2 Instance Ram", "GiBy.h", "0.00292711"),
    ("N1 Predefined Instance Core", "h", "0.031611"),
    ("N1 Predefined Instance Ram", "GiBy.h", "0.004237"),
    ("Nvidia H100 80GB GPU", "h", "9.79655"),
    ("Nvidia H100 80GB Plus GPU", "h", "10.1023"),
    ("Nvidia L4 GPU", "h", "0.56004"),
    ("Nvidia Tesla A100 80GB GPU", "h", "3.92809"),
    ("Nvidia Tesla A100 GPU", "h", "2.933908"),
    ("Nvidia Tesla T4 GPU", "h", "0.35"),
    ("Nvidia Tesla V100 GPU", "h", "2.48"),
    ("SSD backed Local Storage", "GiBy.mo", "0.08"),
    ("Nvidia L4 GPU Virtual Workstation", "h", "0.76"),
    ("G2 Custom Instance Core", "h", "0.0262"),
    ("E2 Instance Core", "h", "0.02181159"),
)


def stock() -> list[Shape]:
    return [
        Shape(
            key=f"{part}/{region}",
            gpu=part,
            gpus=1,
            vram_gb=0,
            usd=Decimal(usd)
            if region == "us-central1"
            else Decimal(usd) * Decimal(str(1 + round(chance(region), 2) / 4)),
            spot_usd=Decimal(usd) * Decimal("0.4"),
            region=region,
            stock=1,
            group=part,
            details={"part": part, "unit": unit},
        )
        for part, unit, usd in _PARTS
        for region in _PLACES
    ]


def _sku(shape: Shape, *, spot: bool) -> dict[str, Any]:
    part, storage = shape.details["part"], shape.details["part"].startswith("SSD")
    place = "" if storage else f" running in {_PLACES[shape.region]}"
    attached = " attached to Spot Preemptible VMs" if spot and (storage or part.endswith("GPU")) else ""
    before = "Spot Preemptible " if spot and not attached else ""
    units, rest = divmod(shape.spot_usd if spot and shape.spot_usd is not None else shape.usd, 1)
    rates = [
        {
            "startUsageAmount": 0,
            "unitPrice": {"currencyCode": "USD", "units": str(int(units)), "nanos": int(rest * 10**9)},
        }
    ]
    return {
        "name": f"services/6F81-5844-456A/skus/{shape.key}",
        "description": f"{before}{part}{attached}{place}",
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Storage" if storage else "Compute",
            "usageType": "Preemptible" if spot else "OnDemand",
        },
        "serviceRegions": [shape.region],
        "pricingInfo": [{"pricingExpression": {"usageUnit": shape.details["unit"], "tieredRates": rates}}],
    }


async def _skus(call: Call) -> Response:
    rows = [_sku(shape, spot=spot) for shape in call.world.shapes[SLUG].values() for spot in (False, True)]
    asked = call.request.query_params
    size, begin = min(PAGE, int(asked.get("pageSize", PAGE))), int(asked.get("pageToken") or 0)
    following = str(begin + size) if begin + size < len(rows) else ""
    return answer({"skus": rows[begin : begin + size], "nextPageToken": following})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v1/services/6F81-5844-456A/skus", "list", _skus),),
    refuse=refusing(
        lambda status, message: {"error": {"code": 400 if status == 401 else status, "message": message,
                                           "details": [{"reason": "API_KEY_INVALID"}] if status == 401 else []}}
    ),
    rows_of=in_list("skus"),
    account=header_account(SLUG, "x-goog-api-key"),
)  # fmt: skip
