"""From the usage stream: what goes over a threshold, told once."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.composition import thresholds as composition
from gpubroker.messaging.log import logger
from gpubroker.messaging.tasks import task


def check_thresholds(event: dict[str, Any]) -> dict[str, Any]:
    account = composition.threshold_checking().take(event["Records"])
    metrics = Metrics(namespace="gpubroker")
    for name, value in account.metrics().items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    if account.failed is None:
        return {"batchItemFailures": []}
    logger().error("batch not finished", extra={"from": account.failed, "errors": account.errors})
    return {"batchItemFailures": [{"itemIdentifier": account.failed}]}


handler = task(check_thresholds)
