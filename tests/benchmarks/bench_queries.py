"""Filter, order and page over 100,000 and 1,000,000 offers, each query a new one: event in, response out, as a
signed-in caller. Beside it gpuhunt's Catalog.query over the same offers (it neither orders nor pages nor speaks HTTP).

Enterprise callers, whose leases are long enough that Redis is seldom asked: it is the query that is measured here.
"""

import itertools
import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from gpubroker.kernel.caller import Plan
from gpubroker.offers.offer import Offer
from tests.benchmarks import calls, market
from tests.benchmarks.harness import Call, Row, in_turn, p50, row

if TYPE_CHECKING:
    from tests.benchmarks.warm import Snapshot, Warm

MANY, MILLION = 100_000, 1_000_000
A_ROUND = 700
A_PLACE = 300
ROUNDS = 7

SHAPES = (
    "gpu=H100&sort=price&max_price={}",
    "gpu=A100&count=8&region=us&sort=price&max_price={}",
    "min_vram_gb=40&spot=false&sort=performance&max_price={}",
    "region=eu&availability=available&sort=score&min_price={}",
    "provider=vastai&count=4&sort=score&max_price={}",
    "compliance_tags=soc2&min_availability=limited&sort=price&max_price={}",
    "gpu=RTX%204090&min_vram_gb=20&rentable=true&sort=performance&max_price={}",
)

# What gpuhunt can ask as well: model, count (its prices are those of whole machines), VRAM, spot, provider.
COMMON = (
    ("H100", 8, None, None),
    ("A100", 4, 80, None),
    ("RTX 4090", 1, None, False),
    ("H200", 8, None, True),
    ("L40S", 2, 40, False),
)

# gpuhunt takes only the names of its own providers.
_THEIR_NAME = {
    "vastai": "aws",
    "azure": "azure",
    "shadeform": "gcp",
    "primeintellect": "nebius",
    "runpod": "runpod",
    "verda": "verda",
    "hyperstack": "oci",
    "lambdalabs": "lambdalabs",
}


def run() -> list[Row]:
    with calls.redis() as url, calls.standard_output_to():
        return _measured(url)


def _measured(url: str) -> list[Row]:
    calls.be_a_function(url)
    from tests.benchmarks.warm import Snapshot, Warm

    warm = Warm(Plan.ENTERPRISE)
    offers = list(market.offers(MANY, now=time.time()))
    many = Snapshot(url + "?db=1", offers)
    catalog = _Catalog(offers)
    del offers
    rows = _beside_gpuhunt(warm, many, catalog)
    del catalog
    rows += _pages(warm, many)
    million = Snapshot(url + "?db=2", list(market.offers(MILLION, now=time.time())))
    prices = _prices()

    def side(snapshot: Snapshot) -> list[Call]:
        warm.use(snapshot)
        queries = [
            shape.format(next(prices)) for _, shape in zip(range(A_ROUND), itertools.cycle(SHAPES), strict=False)
        ]
        return warm.requests(queries)

    def renew() -> None:
        many.renew()
        million.renew()
        warm.callers.remember()
        for snapshot in (many, million):  # what the reader does every five seconds is not a query
            snapshot.reader.current()

    for snapshot in (many, million):
        warm.use(snapshot)
        for shape in SHAPES:
            assert warm.body(shape.format(next(prices)))["offers"]
    small, large = in_turn(partial(side, many), partial(side, million), rounds=ROUNDS, before=renew)
    return [
        row(f"new filtered, ordered page of {MANY:,} offers, p50", p50(small) * 1e6, "us", limit=200),
        *rows,
        row(
            f"the same of {MILLION:,} offers, p50",
            p50(large) * 1e6,
            "us",
            peer=f"of {MANY:,} offers",
            peer_value=p50(small) * 1e6,
            at_most=10,
        ),
    ]


def _prices() -> Iterator[str]:
    """A price that was not asked for before."""
    return (f"{2 + step / 100_000:.5f}" for step in itertools.count())


def _pages(warm: "Warm", snapshot: "Snapshot") -> list[Row]:
    """Any page against the first one, by number and by cursor, of queries that most offers match and nobody asked."""
    prices = (f"{1000 + step / 1_000_000:.6f}" for step in itertools.count())
    query = "spot=false&sort=price&per_page=20&max_price="
    warm.use(snapshot)
    last = -(-warm.body(query + next(prices))["total"] // 20)
    places = [(number, by) for number in (2, 10, 100, 1000, last // 2, last - 1) for by in ("page", "cursor")]

    def first() -> list[Call]:
        return warm.requests([query + next(prices) for _ in range(A_PLACE)])

    def other(number: int, by: str) -> list[Call]:
        if by == "page":
            return warm.requests([f"{query}{next(prices)}&page={number}" for _ in range(A_PLACE)])
        events = []
        for _ in range(A_PLACE):  # a cursor belongs to its query and its caller, so each comes from the page before
            text = query + next(prices)
            event = warm.event(f"{text}&page={number - 1}")
            cursor = calls.body_of(warm.handler(event, warm.context))["next_cursor"]
            events.append(event | {"rawQueryString": f"{text}&cursor={cursor}"})
        return warm.calls(events)

    def renew() -> None:
        snapshot.renew()
        warm.callers.remember()
        snapshot.reader.current()

    times, *others = in_turn(first, *(partial(other, *place) for place in places), rounds=ROUNDS, before=renew)
    slowest = max(range(len(others)), key=lambda number: p50(others[number]))
    number, by = places[slowest]
    return [
        row(
            f"slowest of {len(others)} pages among {last:,}, p50 (number {number:,}, by {by})",
            p50(others[slowest]) * 1e6,
            "us",
            peer="the first page",
            peer_value=p50(times) * 1e6,
            at_most=2,
        )
    ]


class _Catalog:
    """The same offers as gpuhunt holds them."""

    def __init__(self, offers: list[Offer]) -> None:
        from gpuhunt import AcceleratorVendor, Catalog, CatalogItem
        from gpuhunt._internal.catalog import OFFLINE_PROVIDERS, ProviderCatalog

        logging.getLogger("gpuhunt").setLevel(logging.CRITICAL)
        self._catalog = Catalog(balance_resources=False, auto_reload=False)
        items: dict[str, list[CatalogItem]] = {name: [] for name in OFFLINE_PROVIDERS}
        for offer in sorted(offers, key=lambda offer: offer.price_micros_per_hour):
            amd = offer.gpu_model.startswith("MI")
            name = _THEIR_NAME[offer.provider]
            items[name].append(
                CatalogItem(
                    provider=name,
                    instance_name=offer.provider_offer_id,
                    location=offer.region or "",
                    price=offer.price_micros_per_hour / 1e6,
                    cpu=int(offer.vcpus or 0),
                    memory=offer.ram_gb or 0.0,
                    gpu_count=offer.gpu_count,
                    gpu_name=offer.gpu_model,
                    gpu_memory=offer.vram_gb_per_gpu,
                    spot=offer.spot,
                    disk_size=offer.disk_gb,
                    gpu_vendor=AcceleratorVendor.AMD if amd else AcceleratorVendor.NVIDIA,
                )
            )
        self._catalog.catalog = {name: ProviderCatalog("1", some) for name, some in items.items()}
        self._catalog.loaded_at = time.monotonic()

    def count(self, model: str, gpus: int, vram: int | None, spot: bool | None, price: str) -> int:
        return len(
            self._catalog.query(
                gpu_name=model,
                min_gpu_count=gpus,
                max_gpu_count=gpus,
                min_gpu_memory=vram,
                spot=spot,
                max_price=float(price) * gpus,
            )
        )


def _beside_gpuhunt(warm: "Warm", snapshot: "Snapshot", catalog: _Catalog) -> list[Row]:
    def text(model: str, gpus: int, vram: int | None, spot: bool | None, price: str) -> str:
        parts = [f"gpu={model.replace(' ', '%20')}", f"count={gpus}", f"max_price={price}"]
        parts += [f"min_vram_gb={vram}"] if vram else []
        parts += [f"spot={str(spot).lower()}"] if spot is not None else []
        return "&".join(parts)

    warm.use(snapshot)
    prices = _prices()
    same = True
    for common in COMMON:
        price = next(prices)
        found = catalog.count(*common, price)
        same = same and found == warm.body(text(*common, price))["total"] > 0

    def ours() -> list[Call]:
        some = itertools.islice(itertools.cycle(COMMON), A_ROUND)
        return warm.requests([text(*common, next(prices)) for common in some])

    def theirs() -> list[Call]:
        return [partial(catalog.count, *common, next(prices)) for common in COMMON]

    def renew() -> None:
        snapshot.renew()
        warm.callers.remember()
        snapshot.reader.current()

    mine, other = in_turn(ours, theirs, rounds=ROUNDS, before=renew)
    return [
        row(
            f"a query that gpuhunt can answer too, {MANY:,} offers, p50",
            p50(mine) * 1e6,
            "us",
            peer="gpuhunt Catalog.query (no order, no page, no HTTP)",
            peer_value=p50(other) * 1e6,
            faster=250,
            equal=same,
        )
    ]
