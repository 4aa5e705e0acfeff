"""The client: kept, patient for so long and no longer, and silent until it is used."""

import time

import pytest
from redis.exceptions import RedisError, TimeoutError

from gpubroker.edge.redis_client import COUNTERS_TIMEOUT_S, SNAPSHOT_TIMEOUT_S, answers, connect, redis_client


def test_without_a_url_there_is_no_client(monkeypatch):
    for value in ("", None):
        redis_client.cache_clear()
        if value is None:
            monkeypatch.delenv("REDIS_URL", raising=False)
        else:
            monkeypatch.setenv("REDIS_URL", value)
        assert redis_client() is None
        assert not answers(redis_client())
    redis_client.cache_clear()


def test_a_process_has_one_client_for_each_patience(process_with_redis):
    # R8.4 (224): connection pooling
    counters, snapshots = redis_client(COUNTERS_TIMEOUT_S), redis_client(SNAPSHOT_TIMEOUT_S)
    assert redis_client(COUNTERS_TIMEOUT_S) is counters
    assert counters is not snapshots
    assert snapshots is not None
    snapshots.close()


def test_connections_are_reused_and_cost_no_round_trip_of_their_own(server, client):
    fresh = connect(server.url)
    before = client.info("stats")
    for _ in range(20):
        fresh.ping()
    after = client.info("stats")
    fresh.close()
    assert after["total_connections_received"] - before["total_connections_received"] == 1
    assert after["total_commands_processed"] - before["total_commands_processed"] == 21


def test_a_store_that_hangs_is_given_up_after_one_try_and_its_timeout(server):
    client = connect(server.url)
    client.ping()
    server.pause()
    try:
        start = time.perf_counter()
        with pytest.raises(TimeoutError):
            client.ping()
        assert COUNTERS_TIMEOUT_S <= time.perf_counter() - start < 10 * COUNTERS_TIMEOUT_S
        assert not answers(client)
    finally:
        server.resume()
    client.close()


def test_a_store_that_is_not_there_is_refused_at_once(nobody_listens):
    client = connect(nobody_listens)
    with pytest.raises(RedisError):
        client.ping()
    assert not answers(client)


def test_a_connection_that_died_meanwhile_is_replaced(server):
    client = connect(server.url, timeout_s=2.0)
    assert answers(client)
    server.stop()
    assert not answers(client)
    server.start()
    assert answers(client)
    client.close()
