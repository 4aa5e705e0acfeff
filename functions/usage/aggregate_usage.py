"""From the usage stream: events, each counted once into its hour."""

import time
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.composition import usage as composition
from gpubroker.messaging.log import logger
from gpubroker.messaging.tasks import task


def aggregate_usage(event: dict[str, Any]) -> dict[str, Any]:
    account = composition.usage_aggregation().take(event["Records"])
    metrics = Metrics(namespace="gpubroker")
    for name, value in account.metrics().items():
        metrics.add_metric(name, MetricUnit.Count, value)
    arrived = event["Records"][0]["kinesis"].get("approximateArrivalTimestamp")
    if arrived is not None:
        metrics.add_metric("UsageSeconds", MetricUnit.Seconds, max(0.0, time.time() - float(arrived)))
    metrics.flush_metrics()
    if account.failed is None:
        return {"batchItemFailures": []}
    logger().error("batch not finished", extra={"from": account.failed, "errors": account.errors[:10]})
    return {"batchItemFailures": [{"itemIdentifier": account.failed}]}


handler = task(aggregate_usage)
