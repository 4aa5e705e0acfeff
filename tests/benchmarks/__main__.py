"""`python -m tests.benchmarks [name ...]`: run them all or some, print a table, write results.json.

Exits 1 when a promise is not kept. The figures are of this machine; the ratios travel.
"""

import argparse
import gc
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from tests.benchmarks.measuring import Row

RESULTS = Path(__file__).with_name("results.json")
BENCHMARKS = ("ranking", "list", "cold_start", "edge")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which; all of them by default")
    names = parser.parse_args().names or BENCHMARKS
    found: list[Row] = []
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs, {time.strftime('%F')}"
    )
    for name in names:
        print(f"\n{name.replace('_', ' ')}", flush=True)
        for row in importlib.import_module(f"tests.benchmarks.bench_{name}").rows():
            found.append(row)
            print(_line(row), flush=True)
        gc.collect()
    kept = {} if set(names) == set(BENCHMARKS) else _before()
    kept |= {row.name.partition(" (")[0]: row.as_dict() for row in found}
    RESULTS.write_text(json.dumps(list(kept.values()), indent=1) + "\n", encoding="utf-8")
    broken = [row.name for row in found if row.holds is False]
    print(f"\n{len(found) - len(broken)} of {len(found)} hold; written to {RESULTS}")
    for name in broken:
        print(f"  does not hold: {name}")
    return 1 if broken else 0


def _before() -> dict[str, dict[str, object]]:
    if not RESULTS.exists():
        return {}
    return {row["name"].partition(" (")[0]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))}


def _line(row: Row) -> str:
    verdict = {True: "holds", False: "BROKEN", None: ""}[row.holds]
    limit = "" if row.limit is None else f"(limit {row.limit:g})"
    beside = f"  {row.peer}: {row.peer_value:.4g}, {row.ratio:.3g}x" if row.peer and row.ratio else ""
    return f"  {verdict:6} {row.value:>10.4g} {row.unit} {limit:14} {row.name}{beside}"


if __name__ == "__main__":
    sys.exit(main())
