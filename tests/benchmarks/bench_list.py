"""The list handler, event in and response out, and its queries over 100,000 and 1,000,000 offers."""

import json
import random
import time
from collections.abc import Iterator
from urllib.parse import quote

from gpubroker.offers.index import OfferIndex
from gpubroker.offers.market import Market
from gpubroker.offers.parts import Columns, Listing
from tests.benchmarks import house
from tests.benchmarks.measuring import Row, at_least_times_faster, at_most, best_ms, median_us, medians_us
from tests.unit.offers.making import index_of, listings, many, market_of

MANY = 100_000
SORTS = ("price", "performance", "score")


def rows() -> Iterator[Row]:
    offers = many(MANY)
    with house.redis_server() as redis_url:
        small = market_of(offers[:10_000], at=time.time())
        small.index.warm()
        with house.warm_function(small, redis_url) as function:
            yield from _cached(function)
        yield from _building(offers)
        market = market_of(offers, at=time.time())
        market.index.warm()
        with house.warm_function(market, redis_url) as function:
            at_100k = yield from _uncached(function, market)
            yield from _pages(function)
            yield from _gpuhunt(function, offers)
        del offers
        large = Market(ten_times(market.index).warm(), market.states, market.providers)
        del market
        with house.warm_function(large, redis_url) as function:
            at_1m = median_us(lambda event: _ok(function, event), [house.event(q) for q in _queries(large, 600)])
            yield Row(
                f"uncached filter + sort + page over 1,000,000 offers ({at_1m:.4g} us)",
                at_1m / at_100k, "times 100,000 offers", 10, holds=at_1m <= 10 * at_100k,
            )  # fmt: skip


def _cached(function) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    from tests.benchmarks.fastapi_peer import handler as peer

    event = house.event("gpu=A100&max_price=9&region=us-east&per_page=20")
    ours, theirs = function(event, house.CONTEXT), peer(event, house.CONTEXT)
    assert ours["statusCode"] == theirs["statusCode"] == 200, (ours, theirs)
    one, two = json.loads(ours["body"]), json.loads(theirs["body"])
    assert (one["offers"], one["total"]) == (two["offers"], two["total"])
    call = [lambda e: function(e, house.CONTEXT), lambda e: peer(e, house.CONTEXT)]
    mine, other = medians_us(call, [event] * 1000)
    yield at_most("warm list handler, cached filtered query, p50", mine, "us", 100)
    yield Row("warm list handler, requests a second on one vCPU", 1e6 / mine, "requests/s", 10_000, holds=mine <= 100)
    yield at_least_times_faster("warm list handler", mine, "FastAPI + Mangum", other, 2, "us")


def _queries(market: Market, number: int) -> list[str]:
    """Filters, sorts and pages at random; no two alike, so that no answer is kept ready."""
    draw = random.Random(5)
    models = sorted({*market.index.columns.gpu_model})
    made = {}
    while len(made) < number:
        wanted = f"gpu={quote(draw.choice(models))}&max_price={draw.randrange(1_000_000, 12_000_000) / 1_000_000}"
        if draw.random() < 0.5:
            wanted += f"&region={draw.choice(['us', 'eu-west', 'us-east,us-west', 'ap-south'])}"
        if draw.random() < 0.3:
            wanted += f"&spot={draw.choice(['true', 'false'])}"
        if draw.random() < 0.3:
            wanted += "&min_memory_gb=24"
        if draw.random() < 0.3:
            wanted += f"&page={draw.randrange(1, 4)}"
        made[wanted + f"&sort={draw.choice(SORTS)}"] = None
    return list(made)


def _ok(function, event) -> None:  # type: ignore[no-untyped-def]
    answer = function(event, house.CONTEXT)
    assert answer["statusCode"] == 200, answer


def _uncached(function, market: Market):  # type: ignore[no-untyped-def]
    taken = median_us(lambda event: _ok(function, event), [house.event(q) for q in _queries(market, 3000)])
    yield at_most("uncached filter + sort + page over 100,000 offers, p50", taken, "us", 200)
    return taken


def _pages(function) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    """One query's first page and its others; `max_price` differs each time, by too little to change the result."""
    turn = iter(range(10**9))

    def page(number: int) -> float:
        events = [
            house.event(f"spot=false&max_price=11.5{next(turn):06}&sort=performance&page={number}") for _ in range(400)
        ]
        return median_us(lambda event: _ok(function, event), events)

    answer = json.loads(function(house.event("spot=false&max_price=11.5"), house.CONTEXT)["body"])
    last = -(-answer["total"] // answer["per_page"])
    first = page(1)
    others = {number: page(number) for number in (2, last // 4, last // 2, 3 * last // 4, last - 1, last)}
    worst = max(others, key=others.__getitem__)
    yield Row(
        f"the slowest page (number {worst} of {last}: {others[worst]:.4g} us against {first:.4g})",
        others[worst] / first, "times the first page", 2, holds=others[worst] <= 2 * first,
    )  # fmt: skip


def _gpuhunt(function, offers) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    from tests.benchmarks.gpuhunt_peer import catalog_of

    catalog = catalog_of(offers)
    draw = random.Random(9)
    models = sorted({offer.gpu_model for offer in offers})
    wanted = [(draw.choice(models), draw.randrange(2, 12), draw.random() < 0.5) for _ in range(40)]

    def ours(query) -> dict:  # type: ignore[no-untyped-def, type-arg]
        model, price, spot = query
        text = f"gpu={quote(model)}&count=1&min_memory_gb=24&max_price={price}.{next(turn):06}&spot={str(spot).lower()}"
        return function(house.event(text), house.CONTEXT)  # type: ignore[no-any-return]

    def theirs(query) -> list:  # type: ignore[no-untyped-def, type-arg]
        model, price, spot = query
        return catalog.query(  # type: ignore[no-any-return]
            gpu_name=model, min_gpu_count=1, max_gpu_count=1, min_gpu_memory=24, max_price=price, spot=spot
        )

    turn = iter(range(10**9))
    assert json.loads(ours(wanted[0])["body"])["total"] == len(theirs(wanted[0]))
    mine = median_us(ours, wanted * 25)
    other = median_us(theirs, wanted[:9], warm=1)
    yield at_least_times_faster(
        "query over 100,000 offers, event to response", mine, "gpuhunt Catalog.query alone", other, 250, "us"
    )


def _building(offers) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    blobs = listings(offers)
    taken = best_ms(lambda: OfferIndex.of(blobs).warm(), rounds=5)
    yield at_most("index from a snapshot of 100,000 offers, all three orders", taken, "ms", 1000)
    from tests.unit.offers.making import repriced

    index = OfferIndex.of(blobs).warm()
    draw = random.Random(3)
    changed = {offer.offer_id: repriced(offer, 1 + draw.random()) for offer in draw.sample(offers[:2000], 20)}
    after = listings(changed.get(offer.offer_id, offer) for offer in offers)
    news = {key: blob for key, blob in after.items() if blob != blobs[key]}
    taken_anew = best_ms(lambda: OfferIndex.of(after).order("price"), rounds=3)
    moved = best_ms(lambda: index.changed(news).order("price"), rounds=5)
    yield Row(
        f"index after 20 of 100,000 prices changed ({len(news)} buckets; {moved:.3g} ms against {taken_anew:.3g})",
        moved / taken_anew, "of building anew", 0.25, "building anew", taken_anew, taken_anew / moved,
        moved <= 0.25 * taken_anew,
    )  # fmt: skip
    ten_thousand = index_of(offers[:10_000]).warm()
    few = {key: blob for key, blob in listings(repriced(o, 1.23) for o in offers[:10_000]).items() if key[1] == "a"}
    some = dict(list(few.items())[:2])
    yield Row(
        "what the request pays that finds 2 changed buckets of 10,000 offers",
        best_ms(lambda: ten_thousand.changed(some).order("price"), rounds=9), "ms", 10,
    )  # fmt: skip


def ten_times(index: OfferIndex) -> OfferIndex:
    """A market of ten times as many offers: the same ones at ten slightly different prices, under other ids."""
    parts = []
    for copy in range(10):
        columns = index.columns._replace(
            offer_id=[f"{copy}{offer_id}" for offer_id in index.columns.offer_id],
            price=[price + 137 * copy for price in index.columns.price],
        )
        for (provider, bucket), numbers in index.buckets.items():
            own = Columns._make([column[n] for n in numbers] for column in columns)
            parts.append(((provider, f"{copy}{bucket}"), Listing(own, [index.fragments[n] for n in numbers])))
    return OfferIndex._joined(parts)
