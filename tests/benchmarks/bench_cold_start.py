"""From nothing to the first answer, with the built artifacts alone: fresh processes, ours and boto3's in turns."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from gpubroker.offers import shared
from gpubroker.offers.parts import bucketed, decode_listing, encode_listing
from gpubroker.offers.state import Bucket, PartState
from gpubroker.offers.store import Stored
from tests.benchmarks import house
from tests.benchmarks.measuring import Row, at_most, at_most_times
from tests.unit.offers.making import by_provider, many

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "gpubroker"
ROUNDS = 11

OURS = """
import os, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[2]]
sys.dont_write_bytecode = True
import json
event = json.loads(sys.argv[3])
begun = time.perf_counter()
from offers.list_offers import handler
answer = handler(event, None)
taken = time.perf_counter() - begun
assert answer["statusCode"] == 200, answer
assert json.loads(answer["body"])["total"] > 0
sdk = sorted(name for name in ("boto3", "botocore", "pynamodb", "httpx", "aws_xray_sdk") if name in sys.modules)
print("\\n" + json.dumps({"ms": taken * 1000, "sdk": sdk}))
"""
PEER = """
import sys, time
sys.path[:0] = [sys.argv[1]]
sys.dont_write_bytecode = True
import json
begun = time.perf_counter()
import boto3
boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
print("\\n" + json.dumps({"ms": (time.perf_counter() - begun) * 1000}))
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as scratch, house.redis_server() as redis_url:
        layer, task = _built(Path(scratch))
        _publish(redis_url)
        environment = {
            "REDIS_URL": redis_url,
            "EDGE_SECRET": "a-secret-of-the-benchmarks",
            "ENVIRONMENT": "local",
            "OFFERS_TABLE": "offers",
            "IDENTITY_TABLE": "identity",
            "POWERTOOLS_SERVICE_NAME": "offers",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        event = house.event("gpu=A100&max_price=9")
        del event["headers"]["authorization"]
        ours, peer, sdk = [], [], []
        for _ in range(ROUNDS):
            told = _run(OURS, [str(layer), str(task), json.dumps(event)], environment)
            ours.append(told["ms"])
            sdk = told["sdk"]
            peer.append(_run(PEER, [str(layer)], environment)["ms"])
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield at_most_times(
        "cold start of the list: import and first answer from 10,000 offers in Redis",
        mine, 'import boto3; boto3.client("dynamodb")', theirs, 1.5, "ms",
    )  # fmt: skip
    yield at_most(
        "modules of an AWS SDK that the list loads, so calls to AWS it can make", float(len(sdk)), "modules", 0
    )


def _built(scratch: Path) -> tuple[Path, Path]:
    """The layer by its own Makefile, the functions with compiled modules: what /opt and /var/task hold."""
    command = ["make", "--silent", "--makefile", str(LAYER / "Makefile"), "build-GpubrokerLayer"]
    command += [f"ARTIFACTS_DIR={scratch / 'opt'}", f"PYTHON={sys.executable}"]
    subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    task = scratch / "task"
    shutil.copytree(ROOT / "functions", task, ignore=shutil.ignore_patterns("__pycache__"))
    compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(task)]
    subprocess.run(compiled, check=True)
    return scratch / "opt" / "python", task


def _publish(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    now = time.time()
    for provider, offers in by_provider(many(10_000)).items():
        buckets = {name: encode_listing(own) for name, own in bucketed(offers).items()}
        state = PartState(
            provider=provider, version=1, beat=1, fetched_at=now, checked_at=now, took_s=0.5, outcome="ok",
            offers=sum(len(decode_listing(blob).fragments) for blob in buckets.values()),
            buckets={name: Bucket(1, "x") for name in buckets},
        )  # fmt: skip
        shared.publish(client, provider, state, {name: Stored(1, blob) for name, blob in buckets.items()})
    client.close()


def _run(code: str, arguments: list[str], environment: dict[str, str]) -> dict:  # type: ignore[type-arg]
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    told: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return told
