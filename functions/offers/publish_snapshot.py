"""From the table's stream, inside the VPC: changed parts of the snapshot, to Redis. On a schedule: all parts."""

import os
from functools import cache, partial

from gpubroker.edge.redis_client import SNAPSHOT_TIMEOUT_S, redis_client
from gpubroker.messaging.tasks import task
from gpubroker.offers.publishing import Publisher
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import STATIC_TTL_S


@cache
def publisher() -> Publisher:
    ttl_s = float(os.environ.get("STATIC_TTL_SECONDS", STATIC_TTL_S))
    return Publisher(partial(redis_client, SNAPSHOT_TIMEOUT_S), SLUGS, ttl_s)


handler = task(lambda event: publisher().handle(event))
