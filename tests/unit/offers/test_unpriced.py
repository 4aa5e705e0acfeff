"""A cloud that tells no price is listed with its capacity: last by price, in no range of prices, never rented."""

import orjson

from gpubroker.offers import answers, decisions, health
from gpubroker.offers.index import SORTS
from gpubroker.offers.parts import UNPRICED
from gpubroker.offers.query import Filters, all_rows
from gpubroker.offers.snapshot import price_changes
from gpubroker.offers.wire import MAX_PRICE_PER_GPU
from tests.unit.offers.making import AT, an_offer, index_of, market_of

NO_PRICE = {"price_micros_per_hour": None, "price_micros_per_gpu_hour": None, "native_price": None, "rentable": False}
SILENT = an_offer("silent", "verda", **NO_PRICE)
CHEAP, DEAR = an_offer("cheap", price=1), an_offer("dear", price=999)


def ids(filters: Filters, sort: str = "price") -> list[str]:
    index = index_of([SILENT, CHEAP, DEAR])
    return [index.columns.offer_id[row] for row in all_rows(index, filters, sort)]


def test_it_stands_behind_every_price_there_can_be() -> None:
    assert UNPRICED > MAX_PRICE_PER_GPU * 1_000_000
    assert ids(Filters()) == [CHEAP.offer_id, DEAR.offer_id, SILENT.offer_id]


def test_it_is_in_no_range_of_prices_in_any_order() -> None:
    for sort in SORTS:
        for filters in (Filters(min_price=0), Filters(max_price=10**13), Filters(min_price=2_000_000)):
            assert SILENT.offer_id not in ids(filters, sort)
        assert DEAR.offer_id in ids(Filters(max_price=10**13), sort)


def test_its_price_is_null_and_ranks_as_the_worst_and_is_flagged() -> None:
    market = market_of([SILENT, CHEAP, DEAR])
    row = market.index.where[SILENT.offer_id]
    told = orjson.loads(answers.offer_body(market.index, row, market.freshness(AT)))
    assert (told["price_per_hour"], told["price_micros_per_gpu_hour"], told["native_price"]) == (None, None, None)
    wish = decisions.Wish({"price": 1.0}, {"price": "min"})
    ranked = decisions.rank(market.index, list(market.index.live), wish)
    assert market.index.columns.offer_id[ranked[0].row] == CHEAP.offer_id
    assert ranked[-1].score == 0.0


def test_statistics_count_it_and_average_without_it() -> None:
    told = health.stats(market_of([SILENT, CHEAP]), AT)
    assert (told["offer_count"], told["average_price_per_gpu_hour"]) == (2, 1.0)
    assert told["by_gpu_model"]["H100"] == {
        "offers": 2,
        "min_price_per_gpu_hour": 1.0,
        "average_price_per_gpu_hour": 1.0,
        "max_price_per_gpu_hour": 1.0,
    }
    assert health.stats(market_of([SILENT]), AT)["by_gpu_model"]["H100"]["min_price_per_gpu_hour"] is None


def test_a_price_that_appears_or_goes_is_no_change_of_price() -> None:
    priced = an_offer("silent", "verda", price=2)
    assert price_changes({SILENT.offer_id: SILENT}, [priced], "t") == []
    assert price_changes({priced.offer_id: priced}, [SILENT], "t") == []
