"""The process that Lambda functions run in: a zygote that imports the heavy libraries once and forks a worker for each.

Run as a script by `patches/workers.py`, with nothing of this project on its path: only the standard library may be
imported here. Speaks two protocols:

control socket (engine → zygote): `F` + a worker's socket and log pipe as file descriptors → the worker's pid (8 bytes);
`K` + pid (8 bytes) → kills and reaps that worker → its wait status (4 bytes). End of file: everything ends.

worker socket (engine ↔ worker), one JSON text a line: first what to run, then one invocation a line. The worker
answers one line each, `+` and the result or `-` and the error as the Lambda runtime reports it.
"""

import contextlib
import gc
import importlib
import json
import logging
import os
import pkgutil
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NoReturn

Failure = dict[str, Any]
Frames = Iterable[traceback.FrameSummary]

MAX_RESPONSE_BYTES = 6_291_556  # Lambda quotas: synchronous response payload


# ---- the zygote


def preload(names: list[str]) -> None:
    """Import what can be imported: `package.*` means the package and all that is in it. A module that cannot be
    imported here is left for the worker to fail on."""
    for name in names:
        package = name.removesuffix(".*")
        with contextlib.suppress(Exception):
            module = importlib.import_module(package)
            if name != package:
                for found in pkgutil.walk_packages(module.__path__, package + ".", onerror=lambda _: None):
                    with contextlib.suppress(Exception):
                        importlib.import_module(found.name)


def count_hops(variable: str, header: str) -> None:
    """Have boto3 say in `header` how many invocations led here: what Lambda's recursive loop detection counts."""

    def add(params: dict[str, Any], **_: Any) -> None:
        if variable in os.environ:
            params["headers"].setdefault(header, os.environ[variable])

    if handlers := sys.modules.get("botocore.handlers"):
        handlers.BUILTIN_HANDLERS.append(("before-call", add))


def zygote(control: socket.socket, names: list[str], hops: list[str]) -> None:
    """Fork and reap on command until the engine is gone; then nothing of it stays."""
    preload(names)
    count_hops(*hops)
    gc.collect()
    gc.freeze()  # what is shared now stays shared: the collector of a worker never touches it
    control.sendall(b"R")
    children: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not message:
            for child in children:
                os.kill(child, signal.SIGKILL)
            return
        if message == b"F":
            pid = os.fork()
            if pid == 0:
                control.close()
                become_worker(socket.socket(fileno=descriptors[0]), descriptors[1])
            for descriptor in descriptors:
                os.close(descriptor)
            children.add(pid)
            control.sendall(struct.pack("!q", pid))
        elif message == b"K":
            (pid,) = struct.unpack("!q", control.recv(8, socket.MSG_WAITALL))
            status = 0
            if pid in children:
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                children.discard(pid)
            control.sendall(struct.pack("!i", status))


# ---- a worker


class Context:
    """The context object of the Python runtime (Lambda developer guide, "Using the Lambda context object")."""

    def __init__(self, call: dict[str, Any], deadline: float) -> None:
        self.aws_request_id = call["request_id"]
        self.invoked_function_arn = call["invoked_function_arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))


class LogFormat(logging.Formatter):
    """The root logger's format in the Python runtime, with the id of the request."""

    converter = staticmethod(time.gmtime)
    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        record.aws_request_id = self.request_id
        return super().format(record)


class Encoder(json.JSONEncoder):
    """The runtime writes a Decimal as a number."""

    def default(self, value: object) -> object:
        return float(value) if isinstance(value, Decimal) else super().default(value)


def failure(kind: str, message: str, request_id: str = "", frames: Frames = ()) -> Failure:
    """The body that Lambda reports for a failed invocation."""
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }


def failure_of(error: BaseException, request_id: str = "") -> Failure:
    """The same for an exception; the frames of this file are not the function's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    frames = [frame for frame in frames if "importlib._bootstrap" not in frame.filename]
    return failure(type(error).__name__, str(error), request_id, frames)


def log_failure(body: Failure) -> None:
    trace = "".join(body["stackTrace"])
    print(f"[ERROR] {body['errorType']}: {body['errorMessage']}\nTraceback (most recent call last):\n{trace}")


def load(handler: str) -> tuple[Callable[..., Any] | None, Failure | None]:
    """The handler function, or the failure that Lambda reports for it."""
    module_name, _, function_name = handler.replace("/", ".").rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        return None, failure("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        body = failure("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}")
        return None, {**body, "stackTrace": [where]}
    except Exception as error:
        return None, failure_of(error)
    function = getattr(module, function_name, None)
    if function is None:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, failure("Runtime.HandlerNotFound", message)
    return function, None


def forget_shadowed(code_dir: str) -> None:
    """Drop preloaded modules that the function brings along itself: its own come first, as in Lambda."""
    own = {name.removesuffix(".py") for name in os.listdir(code_dir)}
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]


def prepare(job: dict[str, Any], log: int) -> LogFormat:
    """Make this process look like a fresh Lambda environment of the function."""
    os.environ.clear()
    os.environ.update(job["env"])
    time.tzset()
    os.chdir(job["code_dir"])
    sys.path[:0] = [job["code_dir"]]
    sys.argv = ["bootstrap"]
    importlib.invalidate_caches()
    forget_shadowed(job["code_dir"])
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.close(log)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    shape = LogFormat("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(shape)
    logging.getLogger().handlers[:] = [handler]
    return shape


def invoke(function: Callable[..., Any], call: dict[str, Any]) -> tuple[bool, str]:
    """Run the handler once: (ok, JSON text)."""
    request_id = call["request_id"]
    try:
        result = function(call["event"], Context(call, call["deadline"]))
    except Exception as error:
        body = failure_of(error, request_id)
        log_failure(body)
        return False, json.dumps(body)
    try:
        text = json.dumps(result, cls=Encoder)
    except Exception as error:
        body = failure("Runtime.MarshalError", f"Unable to marshal response: {error}", request_id)
        log_failure(body)
        return False, json.dumps(body)
    if len(text) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return False, json.dumps(failure("Function.ResponseSizeTooLarge", message, request_id))
    return True, text


def become_worker(channel: socket.socket, log: int) -> NoReturn:
    """Serve one function until the engine closes the socket. Never returns."""
    status = 0
    try:
        lines = channel.makefile("rb")
        job = json.loads(lines.readline())
        shape = prepare(job, log)
        function, problem = load(job["handler"])
        if problem:
            log_failure(problem)
        answer(channel, problem is None, json.dumps(problem))
        while function is not None and (line := lines.readline()):
            call = json.loads(line)
            shape.request_id = call["request_id"]
            for name, value in call["env"].items():  # what changes with each invocation; None takes it away
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            answer(channel, *invoke(function, call))
    except SystemExit as leaving:  # sys.exit in a handler ends the environment
        status = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status & 0xFF)


def answer(channel: socket.socket, ok: bool, text: str) -> None:
    """Answer after the log is out, so that the engine finds all of it when the answer comes."""
    sys.stdout.flush()
    sys.stderr.flush()
    channel.sendall((b"+" if ok else b"-") + text.encode() + b"\n")


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    sys.path[:0] = settings["layers"]
    sys.path += settings["site_packages"]
    with contextlib.suppress(BrokenPipeError):  # the engine has ended before this was ready
        zygote(socket.socket(fileno=settings["control"]), settings["preload"], settings["hops"])
