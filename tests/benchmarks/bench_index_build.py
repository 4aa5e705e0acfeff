"""From the stored listings of 100,000 offers to an index that answers in all three orders; and the next one, when one
offer in a hundred has another price: spread over all providers and buckets, and all of one provider.
CPU time: it is one thread's work.
"""

import random
import time
from dataclasses import replace

from gpubroker.offers.index import SORTS, BucketKey, OfferIndex
from gpubroker.offers.offer import Offer
from tests.benchmarks import market
from tests.benchmarks.harness import Row, in_turn, p50, row

OFFERS = 100_000
CHANGED = OFFERS // 100
ROUNDS = 5


def run() -> list[Row]:
    buckets = market.by_bucket(market.offers(OFFERS, now=time.time()))
    blobs = market.listings(buckets)
    index = OfferIndex.of(blobs).warm()
    everywhere = _repriced(buckets, list(buckets))
    in_one = _repriced(buckets, [key for key in buckets if key[0] == "hyperstack"])
    same = _same(index.changed(everywhere), OfferIndex.of(blobs | everywhere))
    same = same and _same(index.changed(in_one), OfferIndex.of(blobs | in_one))

    def two_orders(made: OfferIndex) -> None:
        made.order("price")
        made.order("performance")

    three, two, spread, local = in_turn(
        lambda: [lambda: OfferIndex.of(blobs).warm()],
        lambda: [lambda: two_orders(OfferIndex.of(blobs))],
        lambda: [lambda: two_orders(index.changed(everywhere))],
        lambda: [lambda: two_orders(index.changed(in_one))],
        rounds=ROUNDS,
        clock=time.process_time,
    )
    anew = {"peer": "built anew, these orders", "peer_value": p50(two) * 1e3, "faster": 1.0, "equal": same}
    next_one = f"the next index with the orders by price and performance, {CHANGED:,} offers changed"
    return [
        row(f"index of {OFFERS:,} offers from their listings, all three orders", p50(three) * 1e3, "ms", limit=1000),
        row(f"{next_one} in {len(everywhere)} of {len(blobs)} buckets", p50(spread) * 1e3, "ms", **anew),
        row(f"{next_one} in {len(in_one)} of {len(blobs)} buckets", p50(local) * 1e3, "ms", **anew),
    ]


def _repriced(buckets: dict[BucketKey, list[Offer]], within: list[BucketKey]) -> dict[BucketKey, bytes]:
    """The listings of the buckets in which some offer, of `CHANGED` drawn from these buckets, has a new price."""
    draw = random.Random(1)
    places = [(key, place) for key in within for place in range(len(buckets[key]))]
    changed: dict[BucketKey, list[Offer]] = {}
    for key, place in draw.sample(places, CHANGED):
        members = changed.setdefault(key, list(buckets[key]))
        offer = members[place]
        price = round(offer.price_micros_per_hour * draw.uniform(0.9, 1.1))
        per_gpu = round(price / offer.gpu_count)
        members[place] = replace(offer, price_micros_per_hour=price, price_micros_per_gpu_hour=per_gpu)
    return market.listings(changed)


def _same(one: OfferIndex, other: OfferIndex) -> bool:
    """Whether all orders and their JSON are the same."""
    return all(
        [one.fragments[row] for row in one.order(sort).rows] == [other.fragments[row] for row in other.order(sort).rows]
        for sort in SORTS
    )
