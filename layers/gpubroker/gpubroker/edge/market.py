"""The market in the memory of this process: where the snapshot, Redis and the table are put together."""

import os
import time
from functools import cache, partial

from gpubroker.edge.redis_client import SNAPSHOT_TIMEOUT_S, redis_client
from gpubroker.offers.market import Market, MarketReader, RedisTier, TableTier
from gpubroker.offers.refresh import Wish, ask_the_table
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import PRICE_TTL_S


@cache
def reader() -> MarketReader:
    """The reader that keeps the newest market; PRICE_TTL_SECONDS says after how long prices are stale (60)."""
    ttl_s = float(os.environ.get("PRICE_TTL_SECONDS", PRICE_TTL_S))
    return MarketReader(
        RedisTier(partial(redis_client, SNAPSHOT_TIMEOUT_S)),
        TableTier(),
        SLUGS,
        Wish(ask_the_table, ttl_s=ttl_s),
        ttl_s,
    )


def market() -> Market:
    return reader().current()


now = time.time
