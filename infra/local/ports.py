"""Loopback ports: choosing free ones, keeping them across restarts, refusing a taken one in plain words."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import psutil

from infra.local.trouble import Trouble

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last owner left connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], remembered: dict[str, int]) -> dict[str, int]:
    """A free port for each name: the remembered one while it is free (so that a restart deploys nothing new).

    All probes stay bound until every name has its port, so no two names get the same one.
    """
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for name in names:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.append(probe)
            try:
                probe.bind((LOOPBACK, remembered.get(name, 0)))
            except OSError:
                probe.bind((LOOPBACK, 0))
            chosen[name] = probe.getsockname()[1]
    finally:
        for probe in held:
            probe.close()
    return chosen


def owner(port: int) -> str:
    """Who listens there, as far as this user may see: "python3 (pid 4711)", or "another process"."""
    try:
        for connection in psutil.net_connections(kind="tcp4"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass  # macOS shows other processes' sockets to root only; the sentence then names no owner
    return "another process"


def require_free(port: int) -> None:
    """Raises Trouble when the port that people will use is taken."""
    if not is_free(port):
        raise Trouble(
            f"Port {port} on {LOOPBACK} is already in use by {owner(port)}.",
            f"Stop it, or choose another port: make run PORT={port + 1}",
        )
