"""Starting and stopping: quickly, again and again, and without a trace."""

import socket
import tempfile
import time
from pathlib import Path

from infra.local.cloud import LocalCloud
from infra.local.processes import Processes
from tests.e2e.callers import client

BOOT_SECONDS = 45.0
WARM_SECONDS = 15.0


def sockets_of(cloud: LocalCloud) -> list[int]:
    """Which of the cloud's ports somebody listens on."""
    found = []
    for port in cloud.ports.values():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


def test_a_cold_start_a_stop_and_a_warm_start(playground: Path):
    """A cloud of its own, twice; the limits are the issue's, on two cores, after the packages are installed."""
    temporary = Path(tempfile.gettempdir())  # where things are left that forget themselves
    outside = set(temporary.iterdir())
    directory = playground / "life"
    cloud = LocalCloud(directory)
    try:
        started = time.monotonic()
        cold = cloud.start()
        assert time.monotonic() - started < BOOT_SECONDS
        assert len(sockets_of(cloud)) == 4
        cloud.stop()
        assert sockets_of(cloud) == []
        assert Processes(directory.resolve()).running() == []
        assert not (directory / "environment.json").exists()

        started = time.monotonic()
        warm = cloud.start()
        assert time.monotonic() - started < WARM_SECONDS
        assert warm["base_url"] == cold["base_url"], "the same ports, so nothing was deployed again"
        assert warm["credentials"]["pro"]["user_id"] == cold["credentials"]["pro"]["user_id"]
        with client(warm, "pro") as http:
            assert http.get("/api/v2/providers", params={"limit": 1}).json()["total"] > 0
    finally:
        cloud.stop()
    assert Processes(directory.resolve()).running() == []
    left = {path.name for path in set(temporary.iterdir()) - outside}
    assert not [name for name in left if "ministack" in name or "gpubroker" in name]
