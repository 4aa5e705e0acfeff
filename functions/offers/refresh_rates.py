"""On a schedule, outside the VPC: the exchange rates of the day, from their source to the table."""

import os
from datetime import UTC, datetime
from functools import cache

import httpx
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from gpubroker.kernel.time import utc_now
from gpubroker.messaging.tasks import task
from gpubroker.offers import rates_today


@cache
def client() -> httpx.Client:
    return httpx.Client(headers={"user-agent": "gpubroker/2"})


def refresh_rates(event: dict[str, object]) -> dict[str, object]:
    rates = rates_today.refresh(os.environ.get("EXCHANGE_RATES_URL") or rates_today.ECB, now=utc_now, client=client())
    metrics = Metrics(namespace="gpubroker")
    age = (datetime.now(UTC).date() - rates.as_of).days
    metrics.add_metric("ExchangeRatesAgeDays", MetricUnit.Count, age)
    metrics.flush_metrics()
    return {"as_of": rates.day, "currencies": len(rates.usd_per_unit)}


handler = task(refresh_rates)
