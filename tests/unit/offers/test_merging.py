"""One machine from several sources is one entry with all of them, the cheaper way first (R7.3, checklist 217)."""

import random

import orjson
import pytest

from gpubroker.offers import answers, parts
from gpubroker.offers.index import SORTS
from gpubroker.offers.merging import RESOLD, cloud_slug, machine_of
from gpubroker.offers.offer import Availability
from gpubroker.offers.query import Filters, all_rows, page_after, page_number
from tests.unit.offers.making import AT, an_offer, index_of, many, market_of, repriced

DIRECT = an_offer("n3-H100x1", "hyperstack", price=1.9, native_region="CANADA-1", vcpus=28.0, ram_gb=180.0)
RESALE = an_offer("a", "shadeform", price=1.8, cloud="hyperstack", native_region="canada-1", vcpus=28.0, ram_gb=180.0)
OTHER = an_offer("b", "primeintellect", price=2.5, cloud="hyperstack", native_region="CANADA_1", ram_gb=180.0)


EVERYTHING = Filters()


def shown(offers, filters=EVERYTHING, sort="price"):
    index = index_of(offers)
    return [index.columns.offer_id[row] for row in all_rows(index, filters, sort)]


def test_a_cloud_directly_and_through_two_aggregators_is_one_entry_with_all_sources() -> None:
    market = market_of([DIRECT, RESALE, OTHER])
    index = market.index
    assert shown([DIRECT, RESALE, OTHER]) == [RESALE.offer_id]
    page = page_number(index, Filters(), "price", 1, 20)
    assert (page.total, page.more) == (1, False)
    [told] = orjson.loads(b"[%b]" % answers.offer_list(index, page.rows, market.freshness(AT)))
    assert (told["offer_id"], told["cloud"]) == (RESALE.offer_id, "hyperstack")
    assert [(source["provider"], source["price_per_hour"]) for source in told["other_sources"]] == [
        ("hyperstack", 1.9),
        ("primeintellect", 2.5),
    ]
    assert told["other_sources"][0]["offer_id"] == DIRECT.offer_id


def test_each_source_is_still_found_by_its_own_id_with_the_others_beside_it() -> None:
    market = market_of([DIRECT, RESALE])
    row = market.index.where[DIRECT.offer_id]
    told = orjson.loads(answers.offer_body(market.index, row, market.freshness(AT)))
    assert [source["offer_id"] for source in told["other_sources"]] == [RESALE.offer_id]


def test_what_can_be_had_stands_before_what_is_cheaper_and_gone() -> None:
    gone = an_offer("a", "shadeform", price=1.0, cloud="hyperstack", native_region="canada-1", vcpus=28.0,
                    ram_gb=180.0, availability=Availability.UNAVAILABLE)  # fmt: skip
    assert shown([DIRECT, gone]) == [DIRECT.offer_id]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(providers=("hyperstack",)), DIRECT),
        (Filters(providers=("hyperstack", "shadeform")), RESALE),
        (Filters(min_price=1_850_000), DIRECT),
        (Filters(max_price=1_850_000), RESALE),
        (Filters(gpu_models=("H100",), spot=False), RESALE),
    ],
    ids=str,
)
def test_a_filter_that_leaves_out_the_best_source_finds_the_next(filters: Filters, expected) -> None:
    assert shown([DIRECT, RESALE, OTHER], filters) == [expected.offer_id]


@pytest.mark.parametrize(
    "changed",
    [
        {"native_region": "norway-1"},
        {"native_region": None},
        {"spot": True},
        {"interconnect": "PCIe"},
        {"vram_gb_per_gpu": 94},
        {"gpu_model": "H200"},
        {"cloud": "lambdalabs"},
    ],
    ids=str,
)
def test_what_differs_in_anything_that_both_state_is_not_the_same_thing(changed) -> None:
    other = an_offer(
        "a", "shadeform", **({"cloud": "hyperstack", "native_region": "canada-1", "vcpus": 28.0} | changed)
    )
    assert len(shown([DIRECT, other])) == 2


def test_two_shapes_of_one_seller_are_two_things_and_each_meets_its_own_resale() -> None:
    small = an_offer("n1-H100x1", "hyperstack", price=1.7, native_region="CANADA-1", vcpus=14.0, ram_gb=90.0)
    assert sorted(shown([DIRECT, small, RESALE])) == sorted([RESALE.offer_id, small.offer_id])
    assert len(shown([DIRECT, small, OTHER])) == 3  # of which of the two, the aggregator does not say


def test_marketplaces_meet_nobody() -> None:
    assert machine_of(an_offer(1, "vastai")) == ""
    assert "vastai" not in RESOLD


@pytest.mark.parametrize(
    ("name", "slug"),
    [("datacrunch", "verda"), ("Lambda Labs", "lambdalabs"), ("hyperstack", "hyperstack"), ("", None), (None, None)],
)
def test_aggregators_names_of_clouds(name: str | None, slug: str | None) -> None:
    assert cloud_slug(name) == slug


def resold(offers, share=0.3, seed=5):
    """Some of these offers again, through an aggregator, at another price."""
    draw = random.Random(seed)
    made = []
    for number, offer in enumerate(offers):
        if offer.provider in RESOLD and draw.random() < share:
            place = f"place-{number}"
            own = an_offer(number, offer.provider, price=draw.uniform(0.1, 4), native_region=place, spot=offer.spot)
            again = an_offer(
                number, draw.choice(["shadeform", "primeintellect"]), price=draw.uniform(0.1, 4), cloud=offer.provider,
                native_region=place, spot=offer.spot, rentable=draw.random() < 0.5,
                availability=draw.choice(list(Availability)),
            )  # fmt: skip
            made += [own, again]
        else:
            made.append(offer)
    return made


MIXED = resold(many(1500))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "filters",
    [Filters(), Filters(rentable=True), Filters(availabilities=("available",)), Filters(max_price=2_000_000),
     Filters(min_price=1_000_000, rentable=True), Filters(providers=("shadeform",)), Filters(gpu_models=("H100",))],
    ids=lambda value: value.text().replace("\x1e", " ") if isinstance(value, Filters) else value,
)  # fmt: skip
def test_every_query_shows_each_thing_once_as_a_scan_would(sort, filters) -> None:
    index = index_of(MIXED)
    from gpubroker.offers.query import _passing

    order = index.order(sort)
    passing = [order.rows[i] for i in range(len(order.rows)) if _passing(index, filters, sort) >> i & 1]
    groups = index.merged.groups
    expected = [
        row for row in passing
        if not any(better in set(passing) for better in groups.get(row, ())[: groups.get(row, (row,)).index(row)])
    ]  # fmt: skip
    assert len(set(groups)) > 100
    assert all_rows(index, filters, sort) == expected
    page, walked, mark = page_after(index, filters, sort, [], 50), [], []
    while page.rows:
        walked += page.rows
        mark = index.mark(sort, page.rows[-1])
        page = page_after(index, filters, sort, mark, 50)
    assert walked == expected


def test_a_change_of_price_changes_which_source_stands_first() -> None:
    index = index_of([DIRECT, RESALE])
    cheaper = repriced(DIRECT, 1.0)
    after = index.changed({("hyperstack", parts.bucket_of(cheaper.offer_id)): parts.encode_listing([cheaper])})
    assert [after.columns.offer_id[row] for row in all_rows(after, Filters(), "price")] == [DIRECT.offer_id]
    assert [index.columns.offer_id[row] for row in all_rows(index, Filters(), "price")] == [RESALE.offer_id]
    gone = after.changed({}, [("hyperstack", parts.bucket_of(cheaper.offer_id))])
    assert [gone.columns.offer_id[row] for row in all_rows(gone, Filters(), "price")] == [RESALE.offer_id]
