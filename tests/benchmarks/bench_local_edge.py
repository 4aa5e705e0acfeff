"""The list through the local edge: front, API Gateway, Lambda, Redis, as eight callers see it who ask again as soon as
they have their answer. Beside it the most trivial Lambda of the same house, a page of 1.3 KB that asks neither who
calls nor how often, through the same edge in turns.

The callers are eight API keys of one enterprise user (1,000 requests a second each). Every answer must be a good one.
"""

import asyncio
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.bench_warm_list import QUERIES
from tests.benchmarks.harness import Row, row
from tests.benchmarks.peers import HOME, ROOT

CALLERS = 8
A_ROUND = 800
ROUNDS = 5
TRIVIAL = "/auth/login"


def run() -> list[Row]:
    with cloud() as environment:
        return asyncio.run(_measured(environment))


async def _measured(environment: dict[str, Any]) -> list[Row]:
    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(environment["base_url"], connector=connector) as http:
        keys = [await key_of(http, environment["credentials"]["enterprise"]["token"]) for _ in range(CALLERS)]
        queries = itertools.cycle(QUERIES)

        async def side(trivial: bool) -> list[float]:
            taken: list[float] = []

            async def caller(key: str) -> None:
                while len(taken) < A_ROUND:
                    path = TRIVIAL if trivial else f"/api/v2/providers?{next(queries)}"
                    taken.append(await asked(http, path, {} if trivial else {"x-api-key": key}))

            await asyncio.gather(*map(caller, keys))
            return taken

        lists: list[list[float]] = []
        trivials: list[list[float]] = []
        for number in range(ROUNDS + 1):
            for trivial in (False, True) if number % 2 else (True, False):
                spent = await side(trivial)
                if number:  # the round before the first one warms the functions up
                    (trivials if trivial else lists).append(spent)
    p50, trivial_p50 = (statistics.median(map(statistics.median, rounds)) * 1e3 for rounds in (lists, trivials))
    p99, trivial_p99 = (statistics.median(map(p99_of, rounds)) * 1e3 for rounds in (lists, trivials))
    peer = f"GET {TRIVIAL}, a trivial Lambda"
    return [
        row(f"list, {CALLERS} callers, p50", p50, "ms", limit=50, peer=peer, peer_value=trivial_p50, at_most=1.3),
        row(f"list, {CALLERS} callers, p99", p99, "ms", limit=100, peer=peer, peer_value=trivial_p99),
    ]


def p99_of(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=100)[98]


async def asked(http: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> float:
    """Seconds from the request to the end of its answer."""
    started = time.perf_counter()
    async with http.get(path, headers=headers) as answer:
        body = await answer.read()
    spent = time.perf_counter() - started
    if answer.status != 200:
        raise AssertionError(f"{path}: {answer.status}: {body[:300]!r}")
    return spent


async def key_of(http: aiohttp.ClientSession, token: str) -> str:
    headers = {"authorization": f"Bearer {token}"}
    async with http.post("/api/v2/auth/api-keys", json={}, headers=headers) as answer:
        told: dict[str, str] = await answer.json()
    if answer.status != 201:
        raise AssertionError(f"no API key: {answer.status} {told}")
    return told["api_key"]


@contextmanager
def cloud() -> Iterator[dict[str, Any]]:
    """A local cloud of our own on free ports, run by the project's interpreter: its environment.json."""
    (ROOT / ".local").mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / ".local"))
    python = HOME.parent / "bin" / "python"

    def do(what: str) -> None:
        code = "import sys; from pathlib import Path; from infra.local.cloud import LocalCloud; "
        code += f"LocalCloud(Path(sys.argv[1])).{what}()"
        subprocess.run([str(python), "-c", code, str(home / "cloud")], cwd=ROOT, check=True, stdout=sys.stderr)

    try:
        do("start")
        yield json.loads((home / "cloud" / "environment.json").read_text())
    finally:
        do("stop")
        shutil.rmtree(home, ignore_errors=True)
