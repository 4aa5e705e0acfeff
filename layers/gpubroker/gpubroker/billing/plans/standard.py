"""The plan everybody is on who was put on no other, and what it costs before an administrator says otherwise.

The compute of a rental is paid with the rental, so its GPU, CPU and storage cost nothing here; what it sends is
metered. Usage that no rental pays for (a service meters instances of its own) has prices of its own.
"""

from decimal import Decimal

from gpubroker.billing.plans.plan import EPOCH, STANDARD, PlanVersion
from gpubroker.billing.rating.prices import FlatModel, GraduatedModel, PriceModel, ResourcePrice, Scope, Tier
from gpubroker.billing.resources import UNITS


def _price(resource: str, unit: str, model: PriceModel, scope: Scope = "all") -> ResourcePrice:
    return ResourcePrice(resource, model, unit, UNITS[resource][unit], scope)


def _flat(resource: str, unit: str, usd: str, scope: Scope) -> ResourcePrice:
    return _price(resource, unit, FlatModel(Decimal(usd)), scope)


_EGRESS = GraduatedModel((Tier(Decimal(100)), Tier(Decimal(10_000), Decimal("0.08")), Tier(None, Decimal("0.05"))))

STANDARD_PLAN = PlanVersion(
    plan_id=STANDARD,
    version=1,
    name="Standard",
    description="Rentals cost what they cost; 100 GB of egress a month are free.",
    effective_from=EPOCH,
    prices=(
        _flat("gpu_seconds", "hour", "0", "rental"),
        _flat("cpu_seconds", "hour", "0", "rental"),
        _flat("storage_gb_hours", "gb_month", "0", "rental"),
        _flat("gpu_seconds", "hour", "1.2", "other"),
        _flat("cpu_seconds", "hour", "0.02", "other"),
        _flat("storage_gb_hours", "gb_month", "0.08", "other"),
        _price("network_egress_mb", "gb", _EGRESS),
        _flat("network_ingress_mb", "gb", "0", "all"),
    ),
)
