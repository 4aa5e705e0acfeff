"""The four processes of the local cloud: how each is started, and how one sees that it serves."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import httpx

from infra.local import redis_server
from infra.local.ports import LOOPBACK
from infra.local.providers.keys import STATE_VARIABLE

NAMES = ("front", "engine", "providers", "redis")
"""In the order in which they end: who asks before who is asked."""

PROVIDERS_APP = "infra.local.providers.app:create_app"


def command(name: str, port: int, directory: Path) -> list[str]:
    """What to run. Raises Trouble when the machine lacks something for it."""
    python = [sys.executable, "-m"]
    listen = ["--port", str(port)]
    match name:
        case "redis":
            return redis_server.command(port, directory)
        case "engine":
            return [*python, "infra.local.engine", *listen, "--data", str(directory / "engine")]
        case "providers":
            quiet = ["--log-level", "warning", "--no-access-log"]
            return [*python, "uvicorn", "--factory", PROVIDERS_APP, "--host", LOOPBACK, *listen, *quiet]
        case "front":
            return [*python, "infra.local.front", *listen, "--configuration", str(directory / "front.json")]
    raise KeyError(name)


def settings(name: str, directory: Path) -> dict[str, str]:
    """Variables of the environment beside those that every child gets."""
    return {STATE_VARIABLE: str(directory / "providers")} if name == "providers" else {}


def is_ready(name: str, port: int) -> bool:
    """Whether it serves."""
    match name:
        case "redis":
            return redis_server.answers(port)
        case "engine":
            return _answers(f"http://{LOOPBACK}:{port}/_ministack/health")
    return _listens(port)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
