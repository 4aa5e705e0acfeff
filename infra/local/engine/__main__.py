"""`python -m infra.local.engine --port N --data DIR`: the patched engine in the foreground, until SIGTERM or SIGINT.

Listens on 127.0.0.1 only. Port 0 takes a free one; `DIR/engine.json` names it once the engine answers.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

from infra.local.engine import WrongEngineError, check_version
from infra.local.engine.settings import REGION, adopt, environment
from infra.local.engine.unpacked import prune


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback interface; OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


async def serve(listener: socket.socket, data: Path) -> None:
    """Serve until a signal asks for the end; the engine saves its state on the way out."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    from infra.local.engine.patches.saved_state import Saver

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.loglevel = os.environ["LOG_LEVEL"]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    port = listener.getsockname()[1]
    announcement = {"port": port, "pid": os.getpid(), "endpoint_url": f"http://127.0.0.1:{port}", "region": REGION}
    (data / "engine.json").write_text(json.dumps(announcement))
    saver = Saver(float(os.environ.get("ENGINE_SAVE_SECONDS", "10")))

    async def asked_to_end() -> None:
        await ended.wait()
        await saver.stop()  # the engine saves once more on its way out

    try:
        await hypercorn_serve(app, config, shutdown_trigger=asked_to_end)
    finally:
        (data / "engine.json").unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Start the engine; 2 when it cannot start, with one sentence that says why."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.engine", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder for everything that the engine keeps")
    options = parser.parse_args(arguments)
    data: Path = options.data.resolve()
    try:
        check_version()
        listener = listen(options.port)
    except (WrongEngineError, OSError) as problem:
        reason = f"port {options.port} is in use on 127.0.0.1" if isinstance(problem, OSError) else str(problem)
        print(f"The local AWS engine cannot start: {reason}.", file=sys.stderr)
        return 2
    shutil.rmtree(data / "tmp", ignore_errors=True)  # what a crash left: unpacked code of dead workers
    for folder in ("tmp", "state", "s3"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    prune(data)
    adopt(environment(listener.getsockname()[1], data, os.environ))

    from infra.local.engine.patches import apply_all

    apply_all()
    asyncio.run(serve(listener, data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
