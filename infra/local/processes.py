"""Child processes of the local cloud: started in a group of their own, found again by a pidfile, ended for certain.

Every child (and whatever it starts, such as the engine's Lambda workers) carries `MARKER=<directory>` in its
environment, so `sweep` finds even those whose pidfile or parent is gone, and never anyone else's process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local.trouble import Trouble

MARKER = "GPUBROKER_LOCAL_CLOUD"
POLL_SECONDS = 0.02
GRACE_SECONDS = 8.0
# Nothing else of the caller's environment reaches the local cloud: above all no real AWS credentials or profile.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")

# What this process started. Children outlive the object that started them; until they are polled they are zombies.
_STARTED: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Child:
    """A process of the local cloud. `created` (epoch s) tells it from a later process with the same pid."""

    name: str
    pid: int
    created: float

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


class Processes:
    """The children of one local cloud directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pids = directory / "run"
        self._logs = directory / "logs"

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a child sees: a short inherited list, our marker, a temporary folder inside the directory."""
        temporary = self._directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {
            **inherited,
            MARKER: str(self._directory),
            "TMPDIR": str(temporary),
            "PYTHONUNBUFFERED": "1",
            # Loopback never goes through a proxy.
            "NO_PROXY": ",".join(filter(None, [inherited.get("NO_PROXY"), "127.0.0.1", "localhost"])),
            **(extra or {}),
        }

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start `command` in its own session (Ctrl-C in the terminal is ours to handle), logging to logs/<name>.log."""
        self._pids.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("wb") as log:
            popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
                env=self.environment(env),
            )
        _STARTED.append(popen)
        child = Child(name, popen.pid, psutil.Process(popen.pid).create_time())
        (self._pids / f"{name}.json").write_text(json.dumps({"pid": child.pid, "created": child.created}))
        return child

    def children(self) -> list[Child]:
        """All children that a pidfile names, alive or not."""
        found = []
        for path in sorted(self._pids.glob("*.json")):
            record = json.loads(path.read_text())
            found.append(Child(path.stem, record["pid"], record["created"]))
        return found

    def child(self, name: str) -> Child | None:
        return next((child for child in self.children() if child.name == name), None)

    def wait_until(self, child: Child, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when `ready()`; Trouble with the end of the log when the child dies or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            _reap()
            if not child.alive():
                raise Trouble(
                    f"{child.name} ended while it was starting:\n{self.tail(child.name)}\n", self._look(child)
                )
            if time.monotonic() > deadline:
                raise Trouble(f"{child.name} was not ready after {seconds:.0f} s.", self._look(child))
            time.sleep(POLL_SECONDS)

    def tail(self, name: str, lines: int = 12) -> str:
        path = self.log(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])

    def stop(self, name: str, *, how: signal.Signals = signal.SIGTERM, grace: float = GRACE_SECONDS) -> None:
        """Ask the child to end, then make its whole group. A child that is gone already is no error."""
        child = self.child(name)
        if child is None:
            return
        if child.alive():
            family = _family(child.pid)
            with suppress(ProcessLookupError):
                os.kill(child.pid, how)  # it alone: it ends its own children in its own order
            self._wait_gone(family[:1], grace)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            _kill(family)
            self._wait_gone(family, GRACE_SECONDS)
        _reap()

    def sweep(self) -> int:
        """End whatever is still ours (a worker whose parent was killed). Returns how many there were."""
        strays = self.running()
        _kill(strays)
        self._wait_gone(strays, GRACE_SECONDS)
        _reap()
        for path in self._pids.glob("*.json"):
            path.unlink()
        return len(strays)

    def running(self) -> list[psutil.Process]:
        """Every live process of this cloud: with our marker, or in a session that one of our children leads."""
        sessions = {child.pid for child in self.children() if child.alive() or not psutil.pid_exists(child.pid)}
        return [process for process in psutil.process_iter() if self._ours(process, sessions)]

    def _ours(self, process: psutil.Process, sessions: set[int]) -> bool:
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return os.getsid(process.pid) in sessions or process.environ().get(MARKER) == str(self._directory)
        except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
            return False  # somebody else's, or gone while we looked

    def _wait_gone(self, processes: list[psutil.Process], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _reap()  # our own children stay zombies until we collect them
            if not any(_lives(process) for process in processes):
                return
            time.sleep(POLL_SECONDS)

    def _look(self, child: Child) -> str:
        return f"See {self.log(child.name)}; `make down` clears what is left."


def _reap() -> None:
    for popen in _STARTED:
        popen.poll()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
