"""The simulated providers, as an app in this process and as a server on a port that the system chose."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from gpubroker.billing.payments import processor
from gpubroker.offers.instances import registry
from gpubroker.offers.integrations import check
from infra.local.providers.app import create_app
from infra.local.providers.paths import PAYMENTS_PATH


class Clock:
    """Wall time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Simulation:
    """A running simulation: where it is, and its control API."""

    def __init__(self, url: str, clock: Clock, app: Starlette) -> None:
        self.url = url
        self.clock = clock
        self.app = app
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def control(self, method: str, path: str, **body: Any) -> Any:
        """Ask the control API; its answer."""
        answer = self._client.request(method, f"/_control/{path}", json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    def fault(self, kind: str, provider: str, operation: str = "*", count: int | None = None, **more: Any) -> None:
        body = {"kind": kind, "provider": provider, "operation": operation, "count": count, **more}
        self.control("POST", "faults", **body)

    def running(self, provider: str) -> list[dict[str, Any]]:
        """What the provider itself says is running, whatever we believe."""
        found: list[dict[str, Any]] = self.control("GET", f"instances?provider={provider}")["instances"]
        return found

    def close(self) -> None:
        self._client.close()


@contextmanager
def served() -> Iterator[Simulation]:
    """A server of its own, until the end of the block."""
    clock = Clock()
    app = create_app(clock=clock, boot_seconds=3.0)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    simulation = Simulation(f"http://127.0.0.1:{listener.getsockname()[1]}", clock, app)
    yield simulation
    simulation.close()
    server.should_exit = True
    thread.join(10)
    with contextlib.suppress(OSError):
        listener.close()


@contextmanager
def reachable() -> Iterator[Simulation]:
    """The same, in the place of the real providers for all of the product, however often its caches are emptied."""
    with (
        served() as simulation,
        httpx.Client(trust_env=False) as client,
        httpx.Client(base_url=f"{simulation.url}{PAYMENTS_PATH}", trust_env=False) as payments,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PROVIDERS_URL", simulation.url)
        patch.setenv("PAYMENTS_URL", f"{simulation.url}{PAYMENTS_PATH}")
        patch.setattr(registry, "_client", lambda local: client)
        patch.setattr(processor, "_client", lambda url: payments)
        yield simulation
        if check._fetcher.cache_info().currsize:
            check._fetcher().close()
            check._fetcher.cache_clear()
