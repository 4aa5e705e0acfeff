"""`python -m tests.benchmarks [name ...]`: run the benchmarks, one after another, each in a process of its own.

Prints a table and writes results.json (only what was run is replaced). Ends with 1 when something does not hold.
"""

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import HOME, ROOT

RESULTS = Path(__file__).with_name("results.json")
BENCHMARKS = (
    "warm_list",
    "queries",
    "index_build",
    "topsis",
    "normalise",
    "sync",
    "sockets",
    "detector",
    "usage",
    "cold_start",
    "aws_calls",
    "ledger",
    "alerts",
    "local_edge",
    "invoice",
    "faulty_providers",
)
LONGEST_S = 900

Result = dict[str, Any]


def measured(name: str) -> list[Result]:
    """The rows of one benchmark, from a fresh interpreter. Raises CalledProcessError when it fails."""
    with tempfile.NamedTemporaryFile(suffix=".json") as told:
        code = (
            "import json, sys; from importlib import import_module; "
            f"rows = import_module('tests.benchmarks.bench_{name}').run(); "
            f"json.dump([row.as_json() for row in rows], open({told.name!r}, 'w'))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=LONGEST_S)
        rows: list[Result] = json.loads(Path(told.name).read_text())
    return [row | {"name": f"{name}: {row['name']}"} for row in rows]


def _benchmark(row: Result) -> str:
    return str(row["name"]).partition(":")[0]


def table(rows: Iterable[Result]) -> str:
    lines = [("", "value", "limit", "peer", "its value", "ratio", "holds")]
    lines += [
        (
            row["name"],
            f"{row['value']:,} {row['unit']}",
            "" if row["limit"] is None else f"{row['limit']:,}",
            row["peer"] or "",
            "" if row["peer_value"] is None else f"{row['peer_value']:,}",
            "" if row["ratio"] is None else f"{row['ratio']:,}",
            "yes" if row["holds"] else "NO",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


@contextmanager
def alone() -> Iterator[None]:
    """One run at a time on a machine."""
    (ROOT / ".local").mkdir(exist_ok=True)
    with (ROOT / ".local" / "bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                "The benchmarks are running already; wait for them, they would measure each other."
            ) from None
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all of them when none")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    inner = HOME / "bin" / "python"
    if Path(sys.prefix) != HOME:
        if not inner.exists():
            raise SystemExit("The peers are not installed; `make bench` does it.")
        os.execv(inner, [str(inner), "-m", "tests.benchmarks", *names])  # noqa: S606 - ourselves
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    new: list[Result] = []
    failed = []
    with alone():
        for name in names:
            started = time.monotonic()
            try:
                rows = measured(name)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                failed.append(name)
                print(f"{name}: {error}", file=sys.stderr)
                continue
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
            new += rows
    replaced = {_benchmark(row) for row in new}
    kept = [row for row in kept if _benchmark(row) not in replaced and _benchmark(row) in BENCHMARKS] + new
    kept.sort(key=lambda row: BENCHMARKS.index(_benchmark(row)))
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(new))
    for name in failed:
        print(f"{name} failed; its rows are those of an earlier run, if any")
    return int(bool(failed) or not all(row["holds"] for row in new))


if __name__ == "__main__":
    sys.exit(main())
