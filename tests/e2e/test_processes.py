"""Processes and ports: what starts is found again, what ends is gone, what is wrong is said in a sentence."""

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from infra.local import ports, redis_server
from infra.local.processes import Processes
from infra.local.trouble import Trouble

FAMILY = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={})\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)\n"
)


def start_family(processes: Processes) -> list[int]:
    """A child that ignores nothing and has a child of its own without our marker, as the engine's workers are."""
    child = processes.start("family", [sys.executable, "-c", FAMILY])
    processes.wait_until(child, lambda: processes.log("family").read_text().endswith("\n"), seconds=10)
    return [child.pid, int(processes.log("family").read_text())]


def lives(pid: int) -> bool:
    """A zombie does not (whether it is collected is up to the machine's first process)."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_stopping_a_child_ends_its_own_children_too(tmp_path):
    processes = Processes(tmp_path)
    family = start_family(processes)
    assert {process.pid for process in processes.running()} == set(family)
    processes.stop("family")
    assert not [pid for pid in family if lives(pid)]


def test_children_of_a_killed_child_are_found_and_ended(tmp_path):
    processes = Processes(tmp_path)
    parent, orphan = start_family(processes)
    os.kill(parent, 9)
    assert processes.sweep() >= 1
    assert not lives(orphan)
    assert processes.running() == []


def test_another_process_finds_and_ends_what_this_one_started(tmp_path):
    family = start_family(Processes(tmp_path))
    later = Processes(tmp_path)
    child = later.child("family")
    assert child is not None
    assert child.alive()
    later.sweep()
    assert not [pid for pid in family if lives(pid)]


def test_a_pidfile_whose_pid_went_to_somebody_else_is_nobodys_child(tmp_path):
    processes = Processes(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/engine.json").write_text(f'{{"pid": {os.getppid()}, "created": 1.0}}')
    child = processes.child("engine")
    assert child is not None
    assert not child.alive()
    processes.stop("engine")
    assert processes.sweep() == 0
    assert psutil.pid_exists(os.getppid())


def test_a_child_that_dies_at_its_start_shows_its_last_words(tmp_path):
    processes = Processes(tmp_path)
    child = processes.start("engine", [sys.executable, "-c", "raise SystemExit('no such engine')"])
    with pytest.raises(Trouble, match="no such engine"):
        processes.wait_until(child, lambda: False, seconds=10)


def test_no_credentials_of_the_developer_reach_a_child(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    environment = Processes(tmp_path).environment()
    assert not [name for name in environment if name.startswith("AWS_")]
    assert Path(environment["TMPDIR"]).is_relative_to(tmp_path)


def test_a_port_in_use_is_one_sentence_with_its_owner_and_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Trouble, match=rf"Port {port} .* in use by .*{os.getpid()}.*PORT={port + 1}"):
            ports.require_free(port)
    ports.require_free(port)


def test_ports_are_all_different_and_remembered_ones_come_back():
    names = [f"service{number}" for number in range(20)]
    first = ports.choose(names, {})
    assert len(set(first.values())) == 20
    assert ports.choose(names, first) == first


def test_redis_needs_no_installation_and_keeps_nothing_on_disk(tmp_path):
    processes = Processes(tmp_path)
    port = ports.choose(["redis"], {})["redis"]
    child = processes.start("redis", redis_server.command(port, tmp_path))
    processes.wait_until(child, lambda: redis_server.answers(port), seconds=10)
    processes.stop("redis")
    assert not redis_server.answers(port)
    assert not list(tmp_path.glob("*.rdb"))


def test_a_missing_redis_is_one_sentence_with_what_to_do(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Trouble, match=r"No Redis server was found.*make setup"):
        redis_server.binary()
