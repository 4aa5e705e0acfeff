"""Every 30 s: what running rentals used since the last time, into the usage stream."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.composition import usage as composition
from gpubroker.messaging.tasks import task


def meter_rentals(event: dict[str, Any]) -> dict[str, int]:
    told = composition.usage_metering().beat()
    metrics = Metrics(namespace="gpubroker")
    metrics.add_metric("UsageMetered", MetricUnit.Count, told["events"])
    metrics.add_metric("MeteringBehind", MetricUnit.Milliseconds, told["behind_ms"])
    metrics.flush_metrics()
    return told


handler = task(meter_rentals)
