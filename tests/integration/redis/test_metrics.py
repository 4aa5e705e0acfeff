"""Counts of several processes added up in a real Redis, in batches, and what happens while it is away."""

import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gpubroker.edge import metrics
from gpubroker.edge.metrics import AWAY_S, DURATION, FLUSH_S, NOTE, REQUESTS, SHARDS, Registry
from gpubroker.edge.redis_client import connect


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def total(text: str, name: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


def commands(client) -> int:
    return int(client.info("stats")["total_commands_processed"])


def test_the_page_is_the_sum_of_all_processes(client, clock):
    registries = [Registry(lambda: client, clock=clock) for _ in range(10)]
    for registry in registries:
        for _ in range(7):
            registry.count_request("/r", "GET", 200, 0.02)
        registry.counter("gpubroker_refreshes_total")
        registry.flush()
    text = Registry(lambda: client, clock=clock).render()
    assert text.startswith(NOTE)
    assert total(text, REQUESTS) == total(text, f"{DURATION}_count") == 70
    assert total(text, f"{DURATION}_sum") == pytest.approx(1.4)
    assert total(text, "gpubroker_refreshes_total") == 10


def test_counts_are_sent_in_batches_at_most_once_a_second(client, clock):
    registry = Registry(lambda: client, clock=clock)
    registry.count_request("/r", "GET", 200, 0.02)  # the first of a process goes out at once
    before = commands(client)
    for _ in range(1000):
        clock.now += 0.9 * FLUSH_S / 1000
        registry.count_request("/r", "GET", 200, 0.02)
    assert commands(client) == before + 1, "only the question itself"
    clock.now += FLUSH_S
    registry.count_request("/r", "GET", 200, 0.02)
    assert commands(client) <= before + 8, "a thousand requests are one small batch"
    assert total(Registry(lambda: client).render(), REQUESTS) == 1002


def test_a_process_that_is_asked_rarely_loses_nothing(client, clock):
    for _ in range(5):  # each is frozen after its request, and never comes back
        Registry(lambda: client, clock=clock).count_request("/r", "GET", 200, 0.02)
    assert total(Registry(lambda: client).render(), REQUESTS) == 5


def test_with_redis_away_counting_goes_on_and_nothing_is_lost(server, clock, caplog):
    client = connect(server.url, timeout_s=2.0)
    registry = Registry(lambda: client, clock=clock)
    registry.count_request("/r", "GET", 200, 0.02)
    server.stop()
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            clock.now += FLUSH_S
            registry.count_request("/r", "GET", 200, 0.02)
            registry.counter("gpubroker_refreshes_total")
    assert len(caplog.records) == 1, "one line an outage"
    text = registry.render()
    assert text.startswith("# Of this process alone: Redis does not answer")
    assert total(text, REQUESTS) == 30
    server.start()
    clock.now += AWAY_S
    registry.count_request("/r", "GET", 200, 0.02)
    text = registry.render()
    assert text.startswith(NOTE)
    assert total(text, REQUESTS) == 31, "the first stood in the server that was killed"
    assert total(text, "gpubroker_refreshes_total") == 30
    client.close()


def test_a_failing_store_is_asked_every_few_seconds_only(nobody_listens, clock):
    client = connect(nobody_listens)
    asked = []
    registry = Registry(lambda: asked.append(1) or client, clock=clock)
    for _ in range(100):
        clock.now += 0.1
        registry.count_request("/r", "GET", 200, 0.02)
    assert len(asked) == 2


def test_counters_are_forgotten_when_nobody_counts_for_a_month(client, clock):
    Registry(lambda: client, clock=clock).count_request("/r", "GET", 200, 0.02)
    (key,) = client.keys("metrics:*")
    assert client.ttl(key) > 29 * 24 * 3600


def test_processes_spread_over_several_keys(client, clock):
    for _ in range(200):
        Registry(lambda: client, clock=clock).count_request("/r", "GET", 200, 0.02)
    assert len(client.keys("metrics:*")) == SHARDS


def test_the_functions_of_the_module_count_for_this_process(process_with_redis, client):
    metrics.count_request("/r", "GET", 200, 0.02)
    metrics.counter("gpubroker_refreshes_total", {"provider": "vastai"})
    metrics.gauge("gpubroker_breakers", 3, {"state": "open"})
    text = metrics.render()
    assert total(text, REQUESTS) == total(text, "gpubroker_refreshes_total") == 1
    assert total(text, "gpubroker_breakers") == 3
    assert client.keys("metrics:*")
