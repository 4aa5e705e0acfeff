"""The list through the local edge while a third of the providers hang, a sixth answer 500 and a sixth send garbage;
beside it the same list with all of them well, in turns.

Each turn is longer than the 20 s between two syncs, so that each has one, and its first seconds are not counted: the
sync must have met the faults, or their end. Every answer must be a good one.
"""

import asyncio
import itertools
import statistics
from collections.abc import Iterator
from typing import Any

import aiohttp

from gpubroker.offers.slugs import SLUGS
from tests.benchmarks.bench_local_edge import asked, cloud, key_of, p99_of
from tests.benchmarks.bench_warm_list import QUERIES
from tests.benchmarks.harness import Row, p50, row

CALLERS = 4
PAUSE_S = 0.01
SETTLE_S = 6.0
TURN_S = 22.0
ROUNDS = 4


def run() -> list[Row]:
    with cloud() as environment:
        return asyncio.run(_measured(environment))


async def _measured(environment: dict[str, Any]) -> list[Row]:
    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(environment["base_url"], connector=connector) as http:
        token = environment["credentials"]["enterprise"]["token"]
        keys = [await key_of(http, token) for _ in range(CALLERS)]
        queries = itertools.cycle(QUERIES)
        await _turn(http, keys, queries, 3.0)  # warms the functions up
        well: list[list[float]] = []
        ill: list[list[float]] = []
        async with aiohttp.ClientSession(f"{environment['providers_url']}/_control/") as control:
            for number in range(ROUNDS):
                for faulty in (False, True) if number % 2 else (True, False):
                    await _set_faults(control, faulty)
                    await _turn(http, keys, queries, SETTLE_S)
                    (ill if faulty else well).append(await _turn(http, keys, queries, TURN_S))
            await _set_faults(control, False)
    p99, well_p99 = (statistics.median(map(p99_of, rounds)) * 1e3 for rounds in (ill, well))
    median, well_median = (statistics.median(map(p50, rounds)) * 1e3 for rounds in (ill, well))
    peer = "all providers well"
    return [
        row("list p99, a third hanging, a third failing", p99, "ms", peer=peer, peer_value=well_p99, at_most=1.1),
        row("list p50, a third hanging, a third failing", median, "ms", peer=peer, peer_value=well_median, at_most=1.1),
    ]


async def _turn(http: aiohttp.ClientSession, keys: list[str], queries: Iterator[str], seconds: float) -> list[float]:
    """What each call took."""
    loop = asyncio.get_running_loop()
    ends, taken = loop.time() + seconds, list[float]()

    async def caller(key: str) -> None:
        while loop.time() < ends:
            taken.append(await asked(http, f"/api/v2/providers?{next(queries)}", {"x-api-key": key}))
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*map(caller, keys))
    return taken


async def _set_faults(control: aiohttp.ClientSession, faulty: bool) -> None:
    async with control.delete("faults") as answer:
        answer.raise_for_status()
    third, sixth = max(1, len(SLUGS) // 3), max(1, len(SLUGS) // 6)
    kinds = ["hang"] * third + ["status"] * sixth + ["malformed"] * sixth
    for slug, kind in zip(SLUGS, kinds, strict=False) if faulty else ():
        async with control.post("faults", json={"kind": kind, "provider": slug}) as answer:
            answer.raise_for_status()
