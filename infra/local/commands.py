"""What the command line can do with the local cloud."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infra.local import children, journey, ports
from infra.local.cloud import ROOT, LocalCloud
from infra.local.progress import Progress
from infra.local.trouble import Trouble

DEFAULT_PORT = 8080
WATCH_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 with one clear sentence when it did not."""
    commands: dict[str, Callable[[LocalCloud, Progress], None]] = {
        "up": up,
        "down": down,
        "run": run,
        "demo": demo,
        "status": status,
        "bench-env": bench_env,
    }
    parser = argparse.ArgumentParser(prog="python -m infra.local", description="The local cloud (PORT=, LIVE=1)")
    parser.add_argument("command", choices=commands)
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="where it keeps everything")
    options = parser.parse_args(arguments)
    progress = Progress()
    try:
        cloud = LocalCloud(options.directory, port=_port(), live=os.environ.get("LIVE") == "1", progress=progress)
        commands[options.command](cloud, progress)
    except Trouble as trouble:
        print(f"\n{trouble.problem}\n{trouble.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


def up(cloud: LocalCloud, progress: Progress) -> None:
    """Start in the background."""
    _start(cloud, progress)
    progress.say(
        f"\nServing on {cloud.base_url} (pages at /docs). Everything about it: {cloud.directory}/environment.json"
    )
    progress.say("`make demo` rents a GPU there, `make down` ends it.")


def down(cloud: LocalCloud, progress: Progress) -> None:
    """End it."""
    with progress.step("stopping"):
        cloud.stop()


def run(cloud: LocalCloud, progress: Progress) -> None:
    """Start, play the main job, serve until Ctrl-C, end."""
    if all(cloud.alive().values()):
        raise Trouble(
            f"The local cloud runs already, on {cloud.base_url}.",
            "`make demo` plays the main job there, `make down` ends it.",
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ends are the same end
    try:
        _start(cloud, progress)
        journey.play(cloud.environment, say=progress.say)
        progress.say(journey.next_steps(cloud.environment))
        _serve(cloud, progress)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the second Ctrl-C would leave half of it running
        down(cloud, progress)


def demo(cloud: LocalCloud, progress: Progress) -> None:
    """The main job against a running cloud."""
    journey.play(cloud.environment, say=progress.say)


def status(cloud: LocalCloud, progress: Progress) -> None:
    """What runs where."""
    alive = cloud.alive()
    for name in children.NAMES:
        where = f"{ports.LOOPBACK}:{cloud.ports[name]}" if alive[name] else "-"
        progress.say(f"  {name:<10} {'running' if alive[name] else 'stopped':<8} {where}")
    progress.say(f"  logs in {cloud.directory}/logs")


def bench_env(cloud: LocalCloud, progress: Progress) -> None:
    """The running cloud's addresses and a caller, as one JSON document for the benchmarks."""
    progress.say(json.dumps(cloud.environment))


def _start(cloud: LocalCloud, progress: Progress) -> None:
    if os.environ.get("FRESH") == "1":
        cloud.stop()
        shutil.rmtree(cloud.directory, ignore_errors=True)
    cloud.start()
    progress.say(f"  ready in {sum(progress.seconds.values()):.1f} s")


def _serve(cloud: LocalCloud, progress: Progress) -> None:
    """Until Ctrl-C or `make down`; a child that dies meanwhile is started again."""
    try:
        while True:
            time.sleep(WATCH_SECONDS)
            dead = [name for name, lives in cloud.alive().items() if not lives]
            if not cloud.wanted:
                progress.say("Ended by another command.")
                return
            for name in dead:
                progress.say(f"  {name} ended by itself (see {cloud.processes.log(name)}); starting it again")
                cloud.launch(name)
    except KeyboardInterrupt:
        progress.say("")


def _port() -> int:
    given = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise Trouble(f"PORT={given} is not a port number.", "Give one up to 65535, as in: make run PORT=9090")
    return int(given)
