"""Starting and stopping: quickly, again and again, and without a trace."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.local import ports, redis_server
from infra.local.cloud import ROOT, LocalCloud
from infra.local.processes import Processes
from tests.e2e.callers import client, eventually

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


def test_run_plays_the_main_job_serves_heals_and_ends_with_ctrl_c(playground: Path):
    cloud = LocalCloud(playground / "run")
    port = ports.choose(["front"], {})["front"]
    command = [sys.executable, "-m", "infra.local", "run", "--directory", str(cloud.directory)]
    told = cloud.directory.with_suffix(".log")
    with told.open("w") as log:
        running = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PORT": str(port)}, stdout=log, stderr=log)
    try:
        eventually(told.read_text, lambda text: "until Ctrl-C" in text or running.poll() is not None, seconds=120)
        assert running.poll() is None, told.read_text()
        assert "final cost $" in told.read_text()
        assert cloud.base_url == f"http://127.0.0.1:{port}"
        cloud.end_child("redis", how=signal.SIGKILL)
        eventually(lambda: redis_server.answers(cloud.ports["redis"]), bool, seconds=15)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0, told.read_text()
    finally:
        running.kill()
        running.wait(10)
        cloud.stop()
    assert "redis ended by itself" in told.read_text()
    assert sockets_of(cloud) == []
    assert cloud.processes.running() == []
