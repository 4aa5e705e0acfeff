"""Of all providers a third hang, a sixth answer 500 and a sixth send garbage: the others do not notice, no log holds an
exception, and within a minute of the faults' end all are back. Whole syncs against the simulated providers, with the
table in moto and a clock of the test's own.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
import uvicorn
from moto import mock_aws

from gpubroker.offers import store, sync
from gpubroker.offers.providers.registry import Fetcher
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import PRICE_TTL_S, PartState
from gpubroker.resilience.balancer import Turn
from gpubroker.storage import table as storage_table
from infra.local.providers.app import create_app
from infra.local.providers.keys import local_keys

BEAT_S = 20.0


def shares() -> dict[str, list[str]]:
    """Who does what: of 30 providers 10 hang, 5 answer 500, 5 send garbage; of fewer the same shares."""
    third, sixth = max(1, len(SLUGS) // 3), max(1, len(SLUGS) // 6)
    slugs = list(SLUGS)
    hanging, failing, garbage = slugs[0 : 2 * third : 2], slugs[1 : 2 * sixth : 2], slugs[-sixth:]
    healthy = [slug for slug in slugs if slug not in {*hanging, *failing, *garbage}]
    return {"hanging": hanging, "failing": failing, "garbage": garbage, "healthy": healthy}


class Market:
    """Beats 20 s apart, however long they take here."""

    def __init__(self, url: str) -> None:
        self._fetcher = Fetcher(url)
        self._control = httpx.Client(base_url=f"{url}/_control", trust_env=False)
        self._turn: Turn[str] = Turn()
        self.now = 1_780_000_000.0

    def beat(self) -> sync.Summary:
        self.now += BEAT_S
        return sync.beat(self, local_keys(), clock=lambda: self.now, turn=self._turn)

    def fetch_all(self, **asked: Any) -> Any:
        return self._fetcher.fetch_all(**asked)

    def states(self) -> dict[str, PartState]:
        return store.states_of(SLUGS)

    def fault(self, slug: str, kind: str, **more: Any) -> None:
        self._control.post("/faults", json={"kind": kind, "provider": slug, **more}).raise_for_status()

    def heal(self) -> None:
        self._control.delete("/faults").raise_for_status()

    def close(self) -> None:
        self._control.close()
        self._fetcher.close()


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "OFFERS_TABLE": "offers-under-faults",
    }.items():
        monkeypatch.setenv(name, value)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(create_app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    with mock_aws():
        storage_table._shared.cache_clear()
        boto3.client("dynamodb").create_table(
            TableName="offers-under-faults",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        ready = Market(f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield ready
        ready.close()
        storage_table._shared.cache_clear()
    server.should_exit = True
    thread.join(10)
    with contextlib.suppress(OSError):
        listener.close()


@pytest.mark.slow
def test_the_healthy_half_does_not_notice_and_all_are_back_within_a_minute(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    share = shares()
    sick = {*share["hanging"], *share["failing"], *share["garbage"]}
    assert len(share["healthy"]) >= len(SLUGS) / 3
    caplog.set_level(logging.WARNING)
    # A shorter memory than in life: the hanging ones hold each beat up until their circuits open.
    store.change_breaker_settings("*", {"window": 4, "minimum_calls": 4})
    first = market.beat()
    assert {state.outcome for state in first.states.values()} == {"ok"}
    offers = {slug: state.offers for slug, state in first.states.items()}

    for slug in share["hanging"]:
        market.fault(slug, "hang")
    for slug in share["failing"]:
        market.fault(slug, "status", status=500)
    for number, slug in enumerate(share["garbage"]):
        market.fault(slug, ("malformed", "page", "truncated")[number % 3])
    for _ in range(5):
        summary = market.beat()
        for slug in share["healthy"]:
            state = summary.states[slug]
            assert (state.outcome, state.fetched_at) == ("ok", pytest.approx(market.now)), slug
        assert summary.metrics(market.now)["HealthyPartAge"] <= BEAT_S

    states = market.states()
    assert {slug for slug, state in states.items() if not state.healthy} == sick
    assert {slug: state.offers for slug, state in states.items()} == offers, "the last good offers stay"
    assert {states[slug].circuit for slug in sick} <= {"open", "half_open"}
    assert {states[slug].circuit for slug in share["healthy"]} == {"closed"}
    assert all(states[slug].stale(market.now) for slug in sick), "and say that they are old"
    assert {states[slug].weight for slug in share["healthy"]} == {1.0}

    market.heal()
    healed = market.now
    while market.now + BEAT_S <= healed + PRICE_TTL_S:
        market.beat()
    states = market.states()
    assert {slug for slug, state in states.items() if not state.healthy} == set()
    assert not [slug for slug, state in states.items() if state.stale(market.now)]
    assert {state.circuit for state in states.values()} == {"closed"}
    assert {slug: state.offers for slug, state in states.items()} == offers

    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert "Traceback" not in caplog.text
