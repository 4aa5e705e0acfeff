"""A whole beat of the sync over all providers with 100,000 offers in total, in a process of its own as a Lambda is:
the first one (everything is new), one in which nothing changed, one in which one offer in a hundred costs something
else. Each answer arrives after a delay of its own, the slowest after 4 s.

CPU is the process's: decoding, normalising, comparing, packing, and what the AWS client costs for each call, signing
included; only the network and DynamoDB itself are stood in for (a table in memory behind botocore's HTTP session).
"""

import asyncio
import json
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.harness import Row, row

OFFERS = 100_000
SLOWEST_S = 4.0
CPU_S = 3.0
BEYOND_S = 1.0
MEMORY_MB = 512
BASE = "http://providers.invalid"
Asked = tuple[str, str]


def run() -> list[Row]:
    with tempfile.NamedTemporaryFile(suffix=".pickle") as kept:
        Path(kept.name).write_bytes(pickle.dumps(_answers()))
        ran = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.bench_sync", kept.name], capture_output=True, check=False
        )
    if ran.returncode:
        raise RuntimeError(ran.stderr.decode()[-2000:])
    told = json.loads(ran.stdout.splitlines()[-1])
    rows = []
    for name, beat in told["beats"].items():
        title = f"sync of {told['providers']} providers, {beat['offers']:,} offers, {name}"
        enough = beat["offers"] >= OFFERS
        rows += [
            row(f"{title}: CPU", beat["cpu_s"], "s", limit=CPU_S, equal=enough),
            row(f"{title}: wall beyond the slowest provider", beat["beyond_s"], "s", limit=BEYOND_S, equal=enough),
        ]
    quiet = told["beats"]["nothing changed"]
    rows += [
        row(
            f"writes of a sync in which nothing changed, beside {told['providers']} heartbeats and its lease",
            quiet["writes"] - told["providers"] - 1,
            "writes",
            limit=0,
            equal=quiet["written"] == ["HOLDER", "STATE"],
        ),
        row("memory of the process after these syncs", told["memory_mb"], "MB", limit=MEMORY_MB),
    ]
    return rows


def _answers() -> dict[Asked, bytes]:
    """What the simulated providers answer to a sync, three of them with many more offers than usual."""
    from gpubroker.offers.providers.registry import Fetcher
    from infra.local.providers.app import create_app
    from infra.local.providers.keys import local_keys
    from tests.benchmarks.raw_answers import lambdalabs_answer, vastai_answer

    found: dict[Asked, bytes] = {}
    inner = httpx.ASGITransport(app=create_app())

    async def recorded(request: httpx.Request) -> httpx.Response:
        answer = await inner.handle_async_request(request)
        body = await answer.aread()
        found[_asked(request)] = body
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    fetcher = Fetcher(BASE)
    fetcher._client = httpx.AsyncClient(transport=httpx.MockTransport(recorded), timeout=300)
    outcomes = fetcher.fetch_all(keys=local_keys(), now=lambda: datetime.now(UTC), time_box=300)
    fetcher.close()
    if failed := {slug: outcome.error for slug, outcome in outcomes.items() if not outcome.ok}:
        raise RuntimeError(f"simulated providers failed: {failed}")
    for (method, url), body in list(found.items()):
        if "/vastai/" in url:
            found[method, url] = json.dumps(vastai_answer(28_000)).encode()
        elif url.startswith(f"{BASE}/lambdalabs/"):
            found[method, url] = json.dumps(lambdalabs_answer(2_000)).encode()
        elif url.startswith(f"{BASE}/shadeform/"):
            found[method, url] = _many_shapes(json.loads(body), 20_000)
    return found


def _many_shapes(told: dict[str, Any], offers: int) -> bytes:
    kinds = told["instance_types"]
    places = sum(len(kind["availability"]) for kind in kinds)
    again = -(-offers // places)
    rows = [
        kind | {"cloud_instance_type": f"{kind['cloud_instance_type']}-{number}"}
        for number in range(again)
        for kind in kinds
    ]
    return json.dumps({"instance_types": rows}).encode()


def _asked(request: httpx.Request) -> Asked:
    """Bodies are left out: what differs in them is a time or a signature."""
    body = request.content.decode("utf-8", "replace")
    marker = body if "/aws/" in request.url.path or "/azure/" in request.url.path else ""
    return request.method, f"{request.url}#{marker}"


# ------------------------------------------------------------------ in the process that is measured


class Table:
    """The table behind botocore's HTTP session: enough of DynamoDB for a sync, and every write counted."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.written: Counter[str] = Counter()  # by sort key

    def send(self, request: Any) -> Any:
        import orjson
        from botocore.awsrequest import AWSResponse

        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        told = getattr(self, operation)(orjson.loads(request.body))
        answer = AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, None)
        answer._content = orjson.dumps(told)
        return answer

    def BatchGetItem(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the operation's name
        (table, wanted), *_ = asked["RequestItems"].items()
        found = [self.items[_key(key)] for key in wanted["Keys"] if _key(key) in self.items]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def GetItem(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self.items.get(_key(asked["Key"]))
        return {"Item": found} if found else {}

    def PutItem(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._put(asked["Item"])
        return {}

    def TransactWriteItems(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for action in asked["TransactItems"]:
            if "Put" in action:
                self._put(action["Put"]["Item"])
            elif "Delete" in action:
                self.items.pop(_key(action["Delete"]["Key"]), None)
        return {}

    def _put(self, item: dict[str, Any]) -> None:
        self.items[_key(item)] = item
        self.written[item["sk"]["S"]] += 1


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _measured(answers: dict[Asked, bytes]) -> dict[str, Any]:
    import os

    os.environ.update(
        OFFERS_TABLE="offers", AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
        AWS_EC2_METADATA_DISABLED="true",
    )  # fmt: skip
    import logging

    import botocore.httpsession

    import offers  # noqa: F401 - the functions' package: it sets the collector as in Lambda
    from gpubroker.offers import sync
    from gpubroker.offers.providers.registry import Fetcher
    from infra.local.providers.keys import local_keys

    logging.disable(logging.CRITICAL)
    table = Table()
    botocore.httpsession.URLLib3Session.send = lambda self, request: table.send(request)
    delays = _delays(answers)
    paths: dict[Asked, bytes] = {}
    for (method, url), body in answers.items():
        paths.setdefault((method, url.partition("#")[0]), body)

    async def answered(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(delays.pop(request.url.path.split("/")[1], 0.0))
        asked = _asked(request)
        body = answers.get(asked) or paths.get((asked[0], asked[1].partition("#")[0]))
        if body is None:
            return httpx.Response(404)
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    fetcher = Fetcher(BASE)
    fetcher._client = httpx.AsyncClient(transport=httpx.MockTransport(answered))
    keys, now, beats = local_keys(), [1_780_000_000.0], {}
    for name in ("everything new", "nothing changed", "1 % of prices changed"):
        if name.startswith("1 %"):
            _reprice(answers, paths)
        delays.update(_delays(answers))
        table.written.clear()
        now[0] += 20.0
        wall, cpu = time.perf_counter(), time.process_time()
        summary = sync.beat(fetcher, keys, clock=lambda: now[0])
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        failed = {slug: state.error for slug, state in summary.states.items() if state.outcome != "ok"}
        if failed:
            raise RuntimeError(f"{name}: {failed}")
        beats[name] = {
            "offers": sum(state.offers for state in summary.states.values()),
            "cpu_s": cpu,
            "beyond_s": wall - SLOWEST_S,
            "writes": sum(table.written.values()),
            "written": sorted(table.written),
        }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"beats": beats, "providers": len(summary.states), "memory_mb": memory}


def _delays(answers: dict[Asked, bytes]) -> dict[str, float]:
    """Seconds until each provider's first answer; the slowest is a small one, as the largest are usually quick."""
    draw = random.Random(3)
    slugs = sorted({httpx.URL(url).path.split("/")[1] for _, url in answers})
    return {slug: draw.uniform(0.1, 2.5) for slug in slugs} | {"koyeb": SLOWEST_S}


def _reprice(answers: dict[Asked, bytes], paths: dict[Asked, bytes]) -> None:
    """One machine in fifty at Vast.ai, of which each is two offers, costs something else: 1 % of all."""
    draw = random.Random(9)
    for asked, body in list(answers.items()):
        if "/vastai/" in asked[1]:
            told = json.loads(body)
            for machine in draw.sample(told["offers"], len(told["offers"]) // 50):
                machine["dph_total"] = machine["dph_base"] = round(machine["dph_base"] * 1.07 + 0.001, 6)
            answers[asked] = paths[asked[0], asked[1].partition("#")[0]] = json.dumps(told).encode()


if __name__ == "__main__":
    print(json.dumps(_measured(pickle.loads(Path(sys.argv[1]).read_bytes()))))  # noqa: S301 - our own file
