"""The command line: what is wrong is one sentence with what to do, never a traceback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.cloud import ROOT, LocalCloud


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PORT", "LIVE", "FRESH")}
    return subprocess.run(
        [sys.executable, "-m", "infra.local", *arguments],
        cwd=ROOT,
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["demo", "bench-env"])
def test_a_command_that_needs_a_running_cloud_says_how_to_start_it(tmp_path: Path, name: str):
    done = command(name, "--directory", str(tmp_path))
    assert done.returncode == 1
    assert "not running" in done.stderr
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_said_before_anything_starts(tmp_path: Path, port: str):
    done = command("up", "--directory", str(tmp_path), PORT=port)
    assert done.returncode == 1
    assert f"PORT={port} is not a port number." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_sentence_with_a_way_out(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("up", "--directory", str(tmp_path), PORT=str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is already in use" in done.stderr
    assert f"make run PORT={port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_down_without_anything_running_is_no_error(tmp_path: Path):
    assert command("down", "--directory", str(tmp_path)).returncode == 0


def test_status_says_what_runs(tmp_path: Path):
    done = command("status", "--directory", str(tmp_path))
    assert done.returncode == 0
    assert all(f"{name:<10} stopped" in done.stdout for name in ("front", "engine", "providers", "redis"))


def test_run_beside_a_running_cloud_says_what_to_do_instead(cloud: LocalCloud):
    done = command("run", "--directory", str(cloud.directory))
    assert done.returncode == 1
    assert f"runs already, on {cloud.base_url}" in done.stderr
    assert "make demo" in done.stderr
    assert all(cloud.alive().values())


def test_a_running_cloud_is_not_moved_to_another_port(cloud: LocalCloud):
    done = command("up", "--directory", str(cloud.directory), PORT=str(cloud.ports["front"] + 1))
    assert done.returncode == 1
    assert "make down" in done.stderr
    assert all(cloud.alive().values())


def test_status_says_where_what_runs(cloud: LocalCloud):
    done = command("status", "--directory", str(cloud.directory))
    assert f"engine     running  127.0.0.1:{cloud.ports['engine']}" in done.stdout


def test_bench_env_is_the_environment_as_json(cloud: LocalCloud):
    assert json.loads(command("bench-env", "--directory", str(cloud.directory)).stdout) == cloud.environment
