"""The meters that have prices, as callers name them."""

from typing import Literal, TypeAlias, get_args

Resource: TypeAlias = Literal[
    "gpu_seconds", "cpu_seconds", "storage_gb_hours", "network_egress_mb", "network_ingress_mb"
]
RESOURCES: tuple[str, ...] = get_args(Resource)

# How many of the meter's units a priced one is. A GB is 1,000 MB and a month 730 hours (docs/billing.md).
UNITS: dict[str, dict[str, int]] = {
    "gpu_seconds": {"second": 1, "hour": 3600},
    "cpu_seconds": {"second": 1, "hour": 3600},
    "storage_gb_hours": {"gb_hour": 1, "gb_month": 730},
    "network_egress_mb": {"mb": 1, "gb": 1000},
    "network_ingress_mb": {"mb": 1, "gb": 1000},
}
