"""From nothing to the first answer of the list function, with the built artifacts alone and a snapshot of 10,000 offers
in Redis: fresh interpreters, ours and boto3's DynamoDB client from the same layer in turns. What the interpreter itself
takes to start is counted for neither.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gpubroker.edge.redis_client import connect
from tests.benchmarks import calls, market
from tests.benchmarks.harness import Row, row
from tests.benchmarks.peers import ROOT

OFFERS = 10_000
ROUNDS = 15
LAYER = ROOT / "layers" / "gpubroker"

OURS = """
import sys, time
begun = time.perf_counter()
sys.path[:0] = sys.argv[1:3]
import json
event = json.loads(sys.argv[3])
from offers.list_offers import handler
imported = time.perf_counter()
answer = handler(event, None)
ended = time.perf_counter()
page = json.loads(answer["body"])
assert answer["statusCode"] == 200 and page["total"] > 0, answer
assert sum(part["offers"] for part in page["providers"]) == int(sys.argv[4])
sdk = [name for name in ("boto3", "botocore.client", "pynamodb", "httpx", "aws_xray_sdk") if name in sys.modules]
print(json.dumps({"ms": (ended - begun) * 1000, "import_ms": (imported - begun) * 1000, "sdk": len(sdk)}))
"""
PEER = """
import sys, time
begun = time.perf_counter()
sys.path[:0] = sys.argv[1:3]
import boto3
boto3.client("dynamodb")
ended = time.perf_counter()
import json
print(json.dumps({"ms": (ended - begun) * 1000}))
"""


def run() -> list[Row]:
    home = Path(tempfile.mkdtemp(prefix="bench-artifacts-"))
    try:
        with calls.redis() as url:
            return _measured(url, *_artifacts(home))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measured(url: str, task: Path, layer: Path) -> list[Row]:
    buckets = market.by_bucket(market.offers(OFFERS, now=time.time()))
    sizes = {key: len(members) for key, members in buckets.items()}
    snapshot = market.Published(connect(url, 30.0), market.listings(buckets), sizes)
    environment = {
        "REDIS_URL": url,
        "EDGE_SECRET": calls.EDGE_SECRET,
        "IDENTITY_TABLE": "none",
        "OFFERS_TABLE": "none",
        "POWERTOOLS_SERVICE_NAME": "offers",
        "ENVIRONMENT": "cloud",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",  # as infra/offers.yaml has it
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    event = json.dumps(calls.event("gpu=A100&max_price=9"))
    ours, theirs = [], []
    for number in range(ROUNDS + 1):
        snapshot.beat(time.time())
        one = _told(OURS, [str(task), str(layer), event, str(OFFERS)], environment)
        other = _told(PEER, [str(task), str(layer)], environment)
        if number:  # the first one reads the files from the disk
            ours.append(one)
            theirs.append(other["ms"])
    peer_ms = statistics.median(theirs)
    return [
        row(
            f"import and first answer of the list from {OFFERS:,} offers in Redis, built artifacts",
            statistics.median(one["ms"] for one in ours),
            "ms",
            peer='import boto3; boto3.client("dynamodb"), same artifacts',
            peer_value=peer_ms,
            at_most=1.5,
        ),
        row("of which imports", statistics.median(one["import_ms"] for one in ours), "ms"),
        row("parts of an SDK that the first answer loads", max(one["sdk"] for one in ours), "count", limit=0),
    ]


def _artifacts(home: Path) -> tuple[Path, Path]:
    """What /var/task and /opt/python hold in Lambda: the functions, and the layer by its own Makefile."""
    command = ["make", "--silent", "--makefile", str(LAYER / "Makefile"), "build-GpubrokerLayer"]
    command += [f"ARTIFACTS_DIR={home / 'opt'}", f"PYTHON={sys.executable}"]
    subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)
    task = home / "task"
    shutil.copytree(ROOT / "functions", task, ignore=shutil.ignore_patterns("__pycache__"))
    return task, home / "opt" / "python"


def _told(code: str, arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """What a fresh interpreter says in its last line; it sees no packages but those on its path, and writes no .pyc."""
    command = [sys.executable, "-I", "-S", "-B", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
