"""From the price stream: what changes tell, kept and told in one transaction a group."""

import time
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.composition import prices as composition
from gpubroker.messaging.log import logger
from gpubroker.messaging.tasks import task


def detect_prices(event: dict[str, Any]) -> dict[str, Any]:
    account = composition.price_detection().take(event["Records"])
    metrics = Metrics(namespace="gpubroker")
    for name, value in account.metrics().items():
        metrics.add_metric(name, MetricUnit.Count, value)
    arrived = event["Records"][0]["kinesis"].get("approximateArrivalTimestamp")
    if arrived is not None:
        metrics.add_metric("DetectionSeconds", MetricUnit.Seconds, max(0.0, time.time() - float(arrived)))
    metrics.flush_metrics()
    if account.failed is None:
        return {"batchItemFailures": []}
    logger().error("batch not finished", extra={"from": account.failed, "errors": account.errors})
    return {"batchItemFailures": [{"itemIdentifier": account.failed}]}


handler = task(detect_prices)
