"""Thresholds as administrators see them."""

from typing import Any, Literal

import orjson
from pydantic import Field

from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.usage.thresholds.requests import Channel
from gpubroker.usage.thresholds.threshold import Threshold

ResourceName = Literal["cpu", "memory", "storage", "network_egress", "network_ingress", "gpu"]


class ThresholdView(View):
    """A threshold. Amounts are in `units`; of a percentage, per cent."""

    threshold_id: str
    resource_type: ResourceName
    threshold_type: Literal["absolute", "percentage"]
    threshold_value: float
    units: str
    action: str
    user_id: str
    notification_channels: list[Channel]
    limit: float | None
    limit_units: str | None
    metric: str = Field(description="of usage events, that is held against it")
    period: Literal["hour", "day", "month"] | None = Field(description="of a sum; null for a level")
    recurring: bool
    every: float | None
    instance_id: str | None
    enabled: bool
    callback_url: str | None
    created_at: str
    created_by: str
    updated_at: str | None

    @classmethod
    def of(cls, threshold: Threshold) -> "ThresholdView":
        return cls.model_validate(shown(threshold))


class NewThresholdView(ThresholdView):
    callback_secret: str | None = Field(
        description="signs what is posted to callback_url (Standard Webhooks); shown this once"
    )


class ThresholdPage(View):
    thresholds: list[ThresholdView]
    next_cursor: str | None


class CrossingView(View):
    """A crossing. `measured` and `crossed` are in the threshold's own terms, `metric_value` in the metric's."""

    event_id: str
    user_id: str
    instance_id: str | None
    threshold_value: float
    measured: float
    metric: str
    metric_value: float
    crossed: list[float] = Field(description="the thresholds that were crossed, the last hundred of them")
    crossings: int
    period: dict[str, str] | None
    measured_at: str
    crossed_at: str

    @classmethod
    def of(cls, detail: str) -> "CrossingView":
        told = orjson.loads(detail)
        return cls.model_validate({name: told[name] for name in cls.model_fields})


class CrossingPage(View):
    crossings: list[CrossingView]
    next_cursor: str | None


def shown(threshold: Threshold) -> dict[str, Any]:
    return {
        "threshold_id": threshold.threshold_id,
        "resource_type": threshold.resource.value,
        "threshold_type": threshold.kind.value,
        "threshold_value": float(threshold.value),
        "units": threshold.units,
        "action": threshold.action,
        "user_id": threshold.user_id,
        "notification_channels": list(threshold.channels),
        "limit": None if threshold.limit is None else float(threshold.limit),
        "limit_units": threshold.limit_units,
        "metric": threshold.metric.name,
        "period": threshold.period and threshold.period.value,
        "recurring": threshold.every is not None,
        "every": None if threshold.every is None else float(threshold.every),
        "instance_id": threshold.instance_id,
        "enabled": threshold.enabled,
        "callback_url": threshold.callback and threshold.callback.url,
        "created_at": iso(threshold.created_at),
        "created_by": threshold.created_by,
        "updated_at": iso(threshold.updated_at) if threshold.updated_at else None,
    }
