"""A warm list function answers a filtered query: event in, response out, with all that a request of a signed-in caller
takes: verified caller, rate limit in a real Redis, metric, log line. Beside it FastAPI and Mangum doing the same.

300 pro callers take turns of ten requests, so that each stays under the 100 requests a second of its plan; their leases
are renewed from Redis as they would be. A refused request fails the run.
"""

import itertools
import sys
import time
from functools import partial
from typing import Any

from gpubroker.kernel.caller import Plan
from tests.benchmarks import calls, market
from tests.benchmarks.harness import Call, Row, in_turn, p50, row

OFFERS = 10_000
A_ROUND = 3_000
ROUNDS = 9

QUERIES = (
    "gpu=H100&max_price=4&sort=price",
    "gpu_type=A100&count=8&region=us",
    "min_vram_gb=40&max_price=2.5&spot=false&sort=performance",
    "region=eu&availability=available&per_page=20",
    "gpu=RTX%204090&provider=vastai&sort=score",
    "compliance_tags=soc2&min_availability=limited&max_price=3",
)
SDK = ("boto3", "botocore.client", "pynamodb")


def run() -> list[Row]:
    with calls.redis() as url, calls.standard_output_to():
        return _measured(url)


def _measured(url: str) -> list[Row]:
    calls.be_a_function(url)
    from tests.benchmarks.fastapi_peer import application
    from tests.benchmarks.warm import Serve, Snapshot, Warm

    warm = Warm(Plan.PRO)
    snapshot = Snapshot(url, list(market.offers(OFFERS, now=time.time())))
    warm.use(snapshot)
    peer = application(lambda: warm.callers.verifier)
    same = True
    for query in QUERIES:
        event = warm.event(query)
        ours, theirs = calls.body_of(warm.handler(event, warm.context)), calls.body_of(peer(event, warm.context))
        same = same and bool(ours["offers"]) and _ageless(ours) == _ageless(theirs)

    order = itertools.cycle(QUERIES)

    def side(serve: Serve) -> list[Call]:
        return warm.requests(list(itertools.islice(order, A_ROUND)), serve)

    def renew() -> None:
        snapshot.renew()
        warm.callers.remember()

    ours, theirs = in_turn(partial(side, warm.handler), partial(side, peer), rounds=ROUNDS, before=renew)
    # Reads of a standing or of the key ring with all callers known: each would be a GetItem.
    renew()
    before = warm.callers.reads
    for call in side(warm.handler):
        call()
    aws = warm.callers.reads - before + sum(name in sys.modules for name in SDK)
    return [
        row(
            "warm filtered list of a pro caller, event in to response out, p50",
            p50(ours) * 1e6,
            "us",
            limit=100,
            peer="FastAPI + Mangum by the same rules",
            peer_value=p50(theirs) * 1e6,
            faster=2,
            equal=same,
        ),
        row(f"AWS calls of {A_ROUND:,} warm lists, parts of the SDK loaded", aws, "count", limit=0),
    ]


def _ageless(page: dict[str, Any]) -> dict[str, Any]:
    """A page without what the next second changes."""
    return page | {"providers": [part | {"age_seconds": 0} for part in page["providers"]]}
