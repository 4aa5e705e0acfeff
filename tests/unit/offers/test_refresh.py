"""Early refresh: XFetch decides who asks, nobody waits, and all together ask rarely (R2.4, R2.5 (188, 189))."""

import math
from dataclasses import replace

import pytest

from gpubroker.offers.refresh import Wish, grant
from gpubroker.offers.state import PartState

STATES = {
    "vastai": PartState(provider="vastai", checked_at=1000.0, took_s=2.0),
    "runpod": PartState(provider="runpod", checked_at=990.0, took_s=0.2),
}


def asked(states, now, u=1.0, ttl_s=60.0):
    left = []
    Wish(lambda at, every: left.append(at), start=lambda job: job(), ttl_s=ttl_s, u=lambda: u)(states, now)
    return bool(left)


@pytest.mark.parametrize(
    ("seconds_left", "u", "expected"),
    [(5, 0.1, False), (5, 0.082, True), (5, 0.05, True), (0, 1.0, True), (-1, 1.0, True), (59, 0.5, False)],
)
def test_the_formula_of_vattani_with_the_measured_time_of_a_sync(seconds_left, u, expected):
    """delta 2 s, 5 s left: the bound is exp(-5/2) = 0.0821 (PVLDB 8(8), 2015)."""
    assert math.exp(-5 / 2) == pytest.approx(0.0821, abs=1e-4)
    assert asked(STATES, 1060.0 - seconds_left, u) is expected


def test_the_last_attempt_counts_so_that_a_dead_provider_is_not_asked_for_ever_faster():
    failing = {name: replace(state, fetched_at=1.0, outcome="failed") for name, state in STATES.items()}
    assert not asked(failing, 1020.0, 0.5)


def test_a_market_that_nobody_has_read_yet_is_asked_for_at_once():
    assert asked({}, 5.0)


def test_a_process_asks_at_most_once_in_ten_seconds():
    left = []
    wish = Wish(lambda at, every: left.append((at, every)), start=lambda job: job(), u=lambda: 1.0)
    for now in (2000.0, 2001.0, 2009.9, 2010.0):
        wish(STATES, now)
    assert left == [(2000.0, 10.0), (2010.0, 10.0)]


def test_asking_never_blocks_and_never_fails_the_request(caplog):
    jobs = []

    def fails(at, every):
        raise OSError("the table is away")

    wish = Wish(fails, start=jobs.append, u=lambda: 1.0)
    wish(STATES, 2000.0)
    (job,) = jobs
    job()
    assert "could not be asked for" in caplog.text


def record(pk):
    return {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": pk}}, "SequenceNumber": "1"}}


def test_a_wish_in_the_tables_stream_starts_one_sync():
    started = []
    grant([record("OUTBOX#1"), record("REFRESH"), record("REFRESH")], lambda: started.append(1))
    grant([record("OUTBOX#1")], lambda: started.append(1))
    assert started == [1]


def test_a_wish_that_cannot_be_granted_does_not_hold_up_the_facts(caplog):
    def fails():
        raise OSError("Lambda is away")

    grant([record("REFRESH")], fails)
    assert "was not granted" in caplog.text
