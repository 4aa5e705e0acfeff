"""The use cases of management, with everything they need."""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.management.analytics.desk import AnalyticsDesk
    from gpubroker.management.audit.desk import AuditDesk
    from gpubroker.management.desk import FeeDesk, TradeDesk
    from gpubroker.management.inventory.desk import InventoryDesk
    from gpubroker.management.rental_orders import RentalOrders

_CLUSTER_PORTS = frozenset({443, 6443, 8443})
"""HTTPS, and where a Kubernetes API listens."""


@cache
def trade_desk() -> "TradeDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.desk import TradeDesk
    from gpubroker.management.fee_store import FeeBook
    from gpubroker.management.trades import Trades
    from gpubroker.management.volumes import Volumes

    return TradeDesk(trades=Trades(), fees=FeeBook(), volumes=Volumes(), clock=utc_now)


@cache
def fee_desk() -> "FeeDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.desk import FeeDesk
    from gpubroker.management.fee_store import FeeBook

    return FeeDesk(fees=FeeBook(), clock=utc_now)


@cache
def audit_desk() -> "AuditDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.audit.desk import AuditDesk
    from gpubroker.management.audit.log import AuditLog

    return AuditDesk(log=AuditLog(), clock=utc_now)


@cache
def analytics_desk() -> "AnalyticsDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.analytics.counts import Analytics
    from gpubroker.management.analytics.desk import AnalyticsDesk

    return AnalyticsDesk(analytics=Analytics(), clock=utc_now)


@cache
def inventory_desk() -> "InventoryDesk":
    """Looks nothing up and calls nobody, so it may stand inside the VPC."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.inventory.desk import InventoryDesk
    from gpubroker.resilience.outbound import Guard

    guard = Guard(development=os.environ.get("ENVIRONMENT") == "local", ports=_CLUSTER_PORTS)
    return InventoryDesk(guard=guard, clock=utc_now)


@cache
def rental_orders() -> "RentalOrders":
    from gpubroker.kernel.time import utc_now
    from gpubroker.management.fee_store import FeeBook
    from gpubroker.management.rental_orders import RentalOrders
    from gpubroker.management.trades import Trades
    from gpubroker.management.volumes import Volumes

    return RentalOrders(trades=Trades(), fees=FeeBook(), volumes=Volumes(), clock=utc_now)
