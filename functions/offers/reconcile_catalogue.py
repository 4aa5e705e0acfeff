"""Hourly, outside the VPC: whose parts there are; or, told a provider, whether its part is what its state says."""

import os
import time
from functools import cache, partial

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.kernel.time import utc_now
from gpubroker.messaging.tasks import task
from gpubroker.offers import reconcile
from gpubroker.offers.credentials import platform_keys
from gpubroker.offers.providers.registry import Fetcher, Outcome
from gpubroker.offers.rates_today import Remembered


@cache
def fetcher() -> Fetcher:
    """At the rates of the day, as the sync: any others would be changes of price, there and back."""
    return Fetcher(os.environ.get("PROVIDERS_URL"), rates=Remembered())


def ask(provider: str) -> Outcome:
    return fetcher().fetch_all(keys=platform_keys(), now=utc_now, slugs=[provider])[provider]


def reconcile_catalogue(event: dict[str, str]) -> dict[str, object]:
    provider = event.get("provider")
    if provider is None:
        return {"providers": reconcile.providers()}
    report = reconcile.reconcile(provider, partial(ask, provider), time.time())
    metrics = Metrics(namespace="gpubroker")
    for name, value in report.metrics().items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    return report.told()


handler = task(reconcile_catalogue)
