"""The engine's side of `worker.py`: one zygote process per set of layers, one forked process per Lambda environment."""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any

from infra.local.engine.settings import MARKER

_SCRIPT = Path(__file__).with_name("worker.py")

# What takes long to import and does the same whoever imports it: none of these reads a function's environment or opens
# anything while it is imported. A layer brings its own copies; what it does not have comes from the engine's own
# site-packages, as boto3 comes with the Python runtime of Lambda.
PRELOAD = (
    "argon2",
    "asyncio",
    "aws_lambda_powertools.event_handler.api_gateway",
    "aws_lambda_powertools.event_handler.openapi.params",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parameters",
    "boto3.dynamodb.types",
    "botocore.auth",
    "botocore.endpoint",
    "botocore.handlers",
    "botocore.httpsession",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "email_validator",
    "httpx",
    "jwt",
    "orjson",
    "pydantic.main",
    "pynamodb.connection",
    "pynamodb.models",
    "pynamodb.transactions",
    "redis",
    "gpubroker.*",
)


class WorkerGoneError(RuntimeError):
    """The process ended without an answer; `log` is what it had logged, `status` its wait status."""

    def __init__(self, log: str, status: int) -> None:
        super().__init__(f"wait status {status}")
        self.log = log
        self.status = status


class WorkerTimeoutError(WorkerGoneError):
    """The process did not answer in time and was killed."""


def layer_paths(layers: tuple[str, ...]) -> list[str]:
    """Where Python finds a layer's packages, in Lambda's order (developer guide, "Packaging your layer content")."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    inside = ("python/lib/" + version + "/site-packages", "python")
    return [str(path) for part in inside for layer in layers if (path := Path(layer, part)).is_dir()]


class Zygote:
    """A process that has imported the libraries and forks workers on demand. Starts with its first worker."""

    def __init__(self, layers: tuple[str, ...], preload: tuple[str, ...], hops: tuple[str, str]) -> None:
        """`hops`: the environment variable and the request header that carry the number of nested invocations."""
        self._layers = layers
        self._hops = hops
        self._preload = preload
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it now, so that the first worker need not wait; does nothing when it runs."""
        with self._lock:
            self._started()

    def fork(self) -> "ForkedProcess":
        """A new worker process, waiting for its job."""
        ours, theirs = socket.socketpair()
        log_read, log_write = os.pipe()
        try:
            with self._lock:
                control = self._started()
                try:
                    pid = self._fork(control, theirs, log_write)
                except (OSError, struct.error):  # it was killed: start another, once
                    self._control = None
                    pid = self._fork(self._started(), theirs, log_write)
        except BaseException:
            ours.close()
            os.close(log_read)
            raise
        finally:
            theirs.close()
            os.close(log_write)
        return ForkedProcess(self, pid, ours, log_read)

    def reap(self, pid: int) -> int:
        """Kill that worker if it still lives; its wait status."""
        with self._lock:
            if self._control is None:
                return 0
            try:
                self._control.sendall(b"K" + struct.pack("!q", pid))
                (status,) = struct.unpack("!i", self._control.recv(4, socket.MSG_WAITALL))
            except (OSError, struct.error):
                return 0
        return int(status)

    def close(self) -> None:
        """End it and all its workers. It starts again when somebody needs it."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                self._control = None
                self._process.wait(5)

    @staticmethod
    def _fork(control: socket.socket, channel: socket.socket, log: int) -> int:
        socket.send_fds(control, [b"F"], [channel.fileno(), log])
        (pid,) = struct.unpack("!q", control.recv(8, socket.MSG_WAITALL))
        return int(pid)

    def _started(self) -> socket.socket:
        if self._control is not None:
            return self._control
        ours, theirs = socket.socketpair()
        paths = sysconfig.get_paths()
        settings = {
            "control": theirs.fileno(),
            "layers": layer_paths(self._layers),
            "site_packages": list(dict.fromkeys([paths["purelib"], paths["platlib"]])),
            "preload": self._preload,
            "hops": self._hops,
        }
        # -P -E -S: neither this folder, nor the developer's environment, nor .pth files (an editable install of the
        # project among them) may end up on a function's path.
        command = [sys.executable, "-P", "-E", "-S", str(_SCRIPT), json.dumps(settings)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**base_environment(), **({MARKER: os.environ[MARKER]} if MARKER in os.environ else {})},
                cwd="/",
                start_new_session=True,
            )
        if ours.recv(1) != b"R":
            raise RuntimeError("the process that Lambda workers are forked from did not start")
        self._control = ours
        return ours


def base_environment() -> dict[str, str]:
    """What every Lambda environment has before its function's own variables: nothing of the developer's."""
    names = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HTTPS_PROXY", "SSL_CERT_FILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return {"LANG": "C.UTF-8", **kept, "TZ": ":UTC", "HOME": kept.get("TMPDIR", "/tmp"),  # noqa: S108
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{version}"}  # fmt: skip


class ForkedProcess:
    """A worker process, with as much of Popen's interface as the engine's pool uses."""

    def __init__(self, zygote: Zygote, pid: int, channel: socket.socket, log: int) -> None:
        self.pid = pid
        self._zygote = zygote
        self._channel = channel
        self._log = log
        self._unread = b""
        self._status: int | None = None
        self._ending = threading.Lock()
        channel.setblocking(False)
        os.set_blocking(log, False)

    def poll(self) -> int | None:
        """None while it lives."""
        if self._status is None:
            with contextlib.suppress(BlockingIOError):
                try:
                    gone = not self._channel.recv(1, socket.MSG_PEEK)
                except ConnectionError:
                    gone = True
                if gone:
                    self.kill()
        return self._status

    def kill(self) -> int:
        """End it now; its wait status."""
        with self._ending:
            if self._status is None:
                self._status = self._zygote.reap(self.pid)
                self._channel.close()
                os.close(self._log)
        return self._status

    terminate = kill

    def wait(self, timeout: float | None = None) -> int:
        """Its wait status; ends it if it lives, for nothing else would."""
        return self.kill()

    def ask(self, message: Any, deadline: float) -> tuple[bool, Any, str]:
        """Send one line and wait for the answer: (ok, body, what it logged). `deadline` as time.time() has it.

        Raises WorkerTimeoutError or WorkerGoneError; the process is gone then.
        """
        log: list[bytes] = []
        unsent = memoryview(json.dumps(message).encode() + b"\n")
        waiting = select.poll()
        waiting.register(self._log, select.POLLIN)
        waiting.register(self._channel, select.POLLIN | select.POLLOUT)
        while b"\n" not in self._unread:
            left = deadline - time.time()
            if left <= 0:
                self._read_log(log)
                raise WorkerTimeoutError(_text(log), self.kill())
            for descriptor, _ in waiting.poll(left * 1000 + 1):
                if descriptor == self._log:
                    if not self._read_log(log, 1):
                        waiting.unregister(self._log)
                    continue
                if unsent:
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        unsent = unsent[self._channel.send(unsent) :]
                    if not unsent:
                        waiting.modify(self._channel, select.POLLIN)
                if not self._read_answer():
                    self._read_log(log)
                    raise WorkerGoneError(_text(log), self.kill())
        self._read_log(log)
        line, _, self._unread = self._unread.partition(b"\n")
        return line[:1] == b"+", json.loads(line[1:]), _text(log)

    def _read_answer(self) -> bool:
        """Take what has come; False at the end of file."""
        parts = [self._unread]
        try:
            while chunk := self._channel.recv(1 << 20):
                parts.append(chunk)
                if chunk.endswith(b"\n"):
                    break
            else:
                return False
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        self._unread = b"".join(parts)
        return True

    def _read_log(self, log: list[bytes], reads: int = 1 << 20) -> bool:
        """Take what is in the pipe, without waiting; False at its end."""
        with contextlib.suppress(BlockingIOError):
            while reads:
                chunk = os.read(self._log, 1 << 16)
                if not chunk:
                    return False
                log.append(chunk)
                reads -= 1
        return True


def _text(log: list[bytes]) -> str:
    return b"".join(log).decode("utf-8", "replace").rstrip("\n")
