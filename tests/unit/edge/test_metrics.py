"""Counting in the process, the text that Prometheus reads, and the fields that CloudWatch reads."""

import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gpubroker.edge import metrics
from gpubroker.edge.metrics import DURATION, REQUESTS, Registry, emf


def alone() -> None:
    return None


@pytest.fixture
def registry() -> Registry:
    return Registry(alone)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus' own parser makes of the page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((name, tuple(sorted(labels.items()))))


def test_requests_are_counted_by_route_method_and_status(registry):
    # R6.1 (210): throughput and error rates
    for status in (200, 200, 429):
        registry.count_request("/api/v2/providers", "GET", status, 0.003)
    text = registry.render()
    assert value(text, REQUESTS, route="/api/v2/providers", method="GET", status="200") == 2
    assert value(text, REQUESTS, route="/api/v2/providers", method="GET", status="429") == 1


def test_latency_is_a_histogram_whose_bounds_include_their_value(registry):
    # R6.1 (210): latency
    for seconds in (0.0005, 0.001, 0.03, 99.0):
        registry.count_request("/r", "GET", 200, seconds)
    text = registry.render()
    bounds = {"0.001": 2, "0.0025": 2, "0.025": 2, "0.05": 3, "10": 3, "+Inf": 4}
    for bound, count in bounds.items():
        assert value(text, f"{DURATION}_bucket", route="/r", method="GET", le=bound) == count
    assert value(text, f"{DURATION}_count", route="/r", method="GET") == 4
    assert value(text, f"{DURATION}_sum", route="/r", method="GET") == pytest.approx(99.0315)


@given(seconds=st.lists(st.floats(0, 20), min_size=1, max_size=50))
def test_the_histogram_says_what_was_measured(seconds):
    registry = Registry(alone)
    for each in seconds:
        registry.count_request("/r", "GET", 200, each)
    text = registry.render()
    for bound in metrics.BUCKETS_S:
        found = value(text, f"{DURATION}_bucket", route="/r", method="GET", le=f"{bound:g}")
        assert found == sum(each <= bound for each in seconds)
    assert value(text, f"{DURATION}_sum", route="/r", method="GET") == pytest.approx(sum(seconds), abs=1e-4)


def test_counters_and_gauges_of_any_name_are_shown(registry):
    # R3.6 (196): breakers by state, for one
    registry.counter("gpubroker_snapshot_refreshes_total", {"provider": "vastai"})
    registry.counter("gpubroker_snapshot_refreshes_total", {"provider": "vastai"}, by=2)
    registry.counter("gpubroker_restarts_total")
    registry.gauge("gpubroker_breakers", 7, {"state": "closed"})
    registry.gauge("gpubroker_breakers", 6.5, {"state": "closed"})
    text = registry.render()
    assert value(text, "gpubroker_snapshot_refreshes_total", provider="vastai") == 3
    assert value(text, "gpubroker_restarts_total") == 1
    assert value(text, "gpubroker_breakers", state="closed") == 6.5
    assert "# TYPE gpubroker_breakers gauge\n" in text
    assert "# TYPE gpubroker_snapshot_refreshes_total counter\n" in text


@given(label=st.text(max_size=20))
def test_no_label_can_break_the_page(label):
    registry = Registry(alone)
    registry.counter("gpubroker_odd_total", {"label": label})
    assert value(registry.render(), "gpubroker_odd_total", label=label) == 1


@pytest.mark.parametrize(("name", "labels"), [("no-name", {}), ("1st", {}), ("ok", {"bad-label": "x"}), ("", {})])
def test_a_name_that_prometheus_would_refuse_is_refused(registry, name, labels):
    with pytest.raises(ValueError, match="no name of"):
        registry.counter(name, labels)


def test_series_are_bounded():
    registry = Registry(alone, series=50)
    for n in range(1000):
        registry.count_request(f"/route/{n}", "GET", 200, 0.001)
        registry.counter("gpubroker_odd_total", {"n": str(n)})
        registry.gauge("gpubroker_size", n, {"n": str(n)})
    text = registry.render()
    assert value(text, REQUESTS, route="other", method="GET", status="200") == 950
    assert value(text, "gpubroker_odd_total", series="other") == 950
    assert sum(name == "gpubroker_size" for name, _ in samples(text)) == 50


def test_a_method_that_nobody_has_heard_of_is_no_series_of_its_own(registry):
    for method in ("BREW", "WHEN"):
        registry.count_request("/r", method, 404, 0.001)
    assert value(registry.render(), REQUESTS, route="/r", method="other", status="404") == 2


def test_the_page_says_whose_counts_it_shows(registry):
    assert registry.render().startswith("# Of this process alone")


def powertools(status: int, duration_ms: float) -> dict[str, Any]:
    """The line that Powertools would write."""
    provider = AmazonCloudWatchEMFProvider(namespace="gpubroker", service="offers")
    provider.add_metric("duration_ms", MetricUnit.Milliseconds, duration_ms)
    provider.add_metric("client_errors", MetricUnit.Count, int(400 <= status < 500))
    provider.add_metric("server_errors", MetricUnit.Count, int(status >= 500))
    with redirect_stdout(io.StringIO()) as written:
        provider.flush_metrics()
    line: dict[str, Any] = json.loads(written.getvalue())
    return line


@pytest.mark.parametrize("status", [200, 404, 429, 500, 503])
def test_the_log_line_of_a_request_is_the_metric_that_powertools_would_write(status):
    told = powertools(status, 1.5)
    ours = {"service": "offers", "duration_ms": 1.5} | emf(status, told["_aws"]["Timestamp"])

    def directive(line: dict[str, Any]) -> Any:
        (one,) = line["_aws"]["CloudWatchMetrics"]
        return one["Namespace"], one["Dimensions"], [(each["Name"], each["Unit"]) for each in one["Metrics"]]

    def values(line: dict[str, Any]) -> Any:  # Powertools writes a list of one value, which EMF reads as the value
        plain = {name: each[0] if isinstance(each, list) else each for name, each in line.items()}
        return {name: each for name, each in plain.items() if name != "_aws"}

    assert directive(ours) == directive(told)
    assert values(ours) == values(told)
    assert ours["_aws"]["Timestamp"] == told["_aws"]["Timestamp"]
