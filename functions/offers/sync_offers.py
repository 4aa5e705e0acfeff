"""One beat of the sync, outside the VPC: from the workflow's clock, or from a reader's wish in the table's stream."""

import os
import time
from functools import cache

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.messaging.tasks import task
from gpubroker.offers import sync
from gpubroker.offers.credentials import platform_keys
from gpubroker.offers.providers.registry import Fetcher
from gpubroker.offers.rates_today import Remembered
from gpubroker.offers.rotation import Renewing
from gpubroker.resilience.balancer import Turn


@cache
def fetcher() -> Fetcher:
    """One pool of connections for the life of the process (R8.4)."""
    return Fetcher(os.environ.get("PROVIDERS_URL"), rates=Remembered())


@cache
def turn() -> Turn[str]:
    """Whose turn it is, from beat to beat."""
    return Turn()


def sync_offers(event: dict[str, object]) -> dict[str, object]:
    keys = platform_keys()
    summary = sync.beat(Renewing(fetcher(), keys), keys, turn=turn())
    metrics = Metrics(namespace="gpubroker")
    for name, value in summary.metrics(time.time()).items():
        metrics.add_metric(name, MetricUnit.Seconds if name.endswith(("Age", "Seconds")) else MetricUnit.Count, value)
    metrics.flush_metrics()
    return summary.told()


handler = task(sync_offers)
