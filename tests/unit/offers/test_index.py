"""The index answers every query as a scan of all offers would, in every order, on every page, after every change."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.offers import bitmaps, parts
from gpubroker.offers.bitmaps import Move, Slices
from gpubroker.offers.criteria import AVAILABILITY_LEVEL, CRITERIA, matrix_of
from gpubroker.offers.index import SORTS, OfferIndex
from gpubroker.offers.query import Filters, all_rows, page_after, page_number
from gpubroker.offers.ranking import topsis
from tests.unit.offers.making import an_offer, index_of, listings, many, repriced

OFFERS = many(3000)
INDEX = index_of(OFFERS)


def passes(offer, filters):
    level = AVAILABILITY_LEVEL[offer.availability]
    vram, price = offer.vram_gb_per_gpu, offer.price_micros_per_gpu_hour
    return (
        (
            not (filters.gpu_models or filters.gpu_sizes)
            or offer.gpu_model in filters.gpu_models
            or (offer.gpu_model, vram) in filters.gpu_sizes
        )
        and (not filters.gpu_counts or offer.gpu_count in filters.gpu_counts)
        and (not filters.regions or (offer.region or "") in filters.regions)
        and (not filters.providers or offer.provider in filters.providers)
        and (not filters.availabilities or offer.availability in filters.availabilities)
        and (filters.min_availability is None or level >= AVAILABILITY_LEVEL[filters.min_availability])
        and set(filters.compliance_tags) <= set(offer.compliance_tags)
        and (filters.spot is None or offer.spot == filters.spot)
        and (filters.rentable is None or offer.rentable == filters.rentable)
        and (filters.min_vram_gb is None or (vram is not None and vram >= filters.min_vram_gb))
        and (filters.max_vram_gb is None or (vram is not None and vram <= filters.max_vram_gb))
        and (filters.min_price is None or price >= filters.min_price)
        and (filters.max_price is None or price <= filters.max_price)
    )


def some_filters(draw):
    def maybe(values, most=3):
        return tuple(draw.sample(values, draw.randrange(1, most + 1))) if draw.random() < 0.4 else ()

    def perhaps(values):
        return draw.choice(values) if draw.random() < 0.3 else None

    models = sorted({offer.gpu_model for offer in OFFERS})
    return Filters(
        gpu_models=maybe(models, 20),
        gpu_sizes=maybe(sorted({(o.gpu_model, o.vram_gb_per_gpu) for o in OFFERS if o.vram_gb_per_gpu}), 9),
        gpu_counts=maybe([1, 2, 4, 8]),
        regions=maybe(["us-east", "eu-west", "", "ap-south"]),
        providers=maybe(["vastai", "runpod", "azure"]),
        availabilities=maybe(list(AVAILABILITY_LEVEL)),
        min_availability=perhaps(list(AVAILABILITY_LEVEL)),
        compliance_tags=draw.choice([(), (), ("soc2",), ("hipaa",), ("hipaa", "soc2"), ("none",)]),
        spot=perhaps([True, False]),
        rentable=perhaps([True]),
        min_vram_gb=perhaps([1, 24, 40, 41]),
        max_vram_gb=perhaps([16, 47, 48, 500]),
        min_price=perhaps([0, 1_000_000, 1_000_001]),
        max_price=perhaps([0, 3_000_000, 11_999_999]),
    )


def key_of(index, sort):
    def key(offer):
        row = index.where[offer.offer_id]
        if sort == "price":
            return (offer.price_micros_per_gpu_hour, offer.offer_id)
        if sort == "performance":
            return (-index.columns.tflops[row], offer.price_micros_per_gpu_hour, offer.offer_id)
        return (-index.score(row), offer.offer_id)

    return key


def ids(index, rows):
    return [index.columns.offer_id[row] for row in rows]


@pytest.mark.parametrize("sort", SORTS)
def test_every_query_finds_what_a_scan_finds_in_the_same_order(sort):
    draw = random.Random(7)
    for _ in range(150):
        filters = some_filters(draw)
        expected = sorted((offer for offer in OFFERS if passes(offer, filters)), key=key_of(INDEX, sort))
        assert ids(INDEX, all_rows(INDEX, filters, sort)) == [offer.offer_id for offer in expected]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 7, 20, 100])
def test_pages_by_number_and_by_cursor_are_the_whole_without_gaps(sort, size):
    filters = Filters(min_availability="limited", max_price=6_000_000, spot=False)
    whole = all_rows(INDEX, filters, sort)
    numbered, cursored, mark, number = [], [], [], 0
    while True:
        number += 1
        page = page_number(INDEX, filters, sort, number, size)
        again = page_after(INDEX, filters, sort, mark, size)
        assert page == again
        assert page.total == len(whole)
        numbered += page.rows
        cursored += again.rows
        if not page.more:
            break
        mark = INDEX.mark(sort, page.rows[-1])
    assert numbered == cursored == whole
    assert page_number(INDEX, filters, sort, number + 1, size).rows == []
    assert page_number(INDEX, filters, sort, 1_000_000, size).rows == []


def test_a_cursor_goes_on_at_its_place_when_its_offer_has_left():
    """R7.6 (220)."""
    whole = all_rows(INDEX, Filters())
    mark = INDEX.mark("price", whole[99])
    gone = INDEX.columns.offer_id[whole[99]]
    after = index_of(offer for offer in OFFERS if offer.offer_id != gone)
    page = page_after(after, Filters(), "price", mark, 5)
    assert ids(after, page.rows) == ids(INDEX, whole[100:105])


def test_the_score_is_topsis_over_the_whole_market():
    rows = [INDEX.row(number) for number in INDEX.live]
    matrix = matrix_of(parts.Columns._make(zip(*rows, strict=True)), [criterion.name for criterion in CRITERIA])
    expected = topsis(matrix, [0.4, 0.3, 0.2, 0.1], ["min", "max", "max", "min"])
    assert [INDEX.score(number) for number in INDEX.live] == pytest.approx(expected, abs=1e-9)


def test_equal_offers_stand_in_the_order_of_their_ids():
    """DESIGN §4."""
    same = [an_offer(name) for name in range(50)]
    index = index_of(same)
    for sort in SORTS:
        assert ids(index, all_rows(index, Filters(), sort)) == sorted(offer.offer_id for offer in same)


def test_faster_first_and_among_equally_fast_the_cheapest():
    """R7.5 (219)."""
    offers = [an_offer(1, price=3), an_offer(2, price=2), an_offer(3, gpu_model="B200", price=9)]
    index = index_of([*offers, an_offer(4, gpu_model="some new chip", price=1)])
    assert ids(index, all_rows(index, Filters(), "performance"))[:3] == [offers[i].offer_id for i in (2, 1, 0)]


def same(one, other):
    assert len(one) == len(other)
    for sort in SORTS:
        assert ids(one, one.order(sort).rows) == ids(other, other.order(sort).rows)
        a, b = one.order(sort), other.order(sort)
        assert a.everything == b.everything
        for name, of in a.facets.items():
            assert {v: bits for v, bits in of.items() if bits} == {
                v: bits for v, bits in b.facets[name].items() if bits
            }
        for mine, theirs in ((a.price, b.price), (a.vram, b.vram)):
            highest = max(len(mine.sets), len(theirs.sets))
            assert [*mine.sets, *[0] * (highest - len(mine.sets))] == [
                *theirs.sets, *[0] * (highest - len(theirs.sets)),
            ]  # fmt: skip
    assert {i: one.fragments[row] for i, row in one.where.items()} == {
        i: other.fragments[row] for i, row in other.where.items()
    }
    assert {i: one.providers[row] for i, row in one.where.items()} == {
        i: other.providers[row] for i, row in other.where.items()
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_an_index_that_was_changed_is_the_index_that_is_built_anew(seed, dearer, left, came):
    draw = random.Random(seed)
    now = {offer.offer_id: offer for offer in many(400, seed % 5)}
    index = index_of(now.values()).warm()
    for _ in range(2):
        before = listings(now.values())
        for name in draw.sample(sorted(now), dearer):
            now[name] = repriced(now[name], draw.randrange(1, 12_000_000) / 1_000_000)
        for name in draw.sample(sorted(now), left):
            del now[name]
        for offer in many(came, draw.randrange(10**6)):
            now[offer.offer_id] = offer
        after = listings(now.values())
        changed = {key: blob for key, blob in after.items() if before.get(key) != blob}
        old, index = index, index.changed(changed, [key for key in before if key not in after])
        assert len(old) == sum(len(parts.decode_listing(blob).fragments) for blob in before.values())
        same(index, OfferIndex.of(after))


def test_a_small_change_moves_bits_and_a_large_one_builds_anew(monkeypatch):
    built = []
    original = OfferIndex._ordered
    monkeypatch.setattr(OfferIndex, "_ordered", lambda self, rows: built.append(len(rows)) or original(self, rows))
    index = index_of(OFFERS)
    index.order("price")
    built.clear()
    dearer = {OFFERS[5].offer_id: repriced(OFFERS[5], 9)}
    key = (OFFERS[5].provider, parts.bucket_of(OFFERS[5].offer_id))
    blob = listings(dearer.get(offer.offer_id, offer) for offer in OFFERS)[key]
    index.changed({key: blob}).order("price")
    assert built == []
    index.changed(listings(repriced(offer, 9) for offer in OFFERS)).order("price")
    assert built == [3000]


def test_an_empty_market_answers_too():
    empty = index_of([])
    for sort in SORTS:
        assert page_number(empty, Filters(max_price=1, gpu_models=("H100",)), sort, 1, 20).total == 0
    assert len(empty.changed(listings(OFFERS[:3]))) == 3
    assert len(index_of(OFFERS[:1]).warm()) == 1


def test_a_market_with_more_than_255_values_of_one_kind():
    index = index_of(an_offer(name, gpu_model=f"chip {name}") for name in range(600))
    for name in (0, 254, 255, 599):
        assert page_number(index, Filters(gpu_models=(f"chip {name}",)), "price", 1, 9).total == 1


# ------------------------------------------------------------------ bitmaps

positions = st.sets(st.integers(0, 6000), max_size=60)


@given(positions, st.integers(0, 6100), st.integers(1, 30))
def test_the_next_members_of_a_set(members, start, limit):
    bits = bitmaps.of_positions(members)
    assert bitmaps.first(bits, start, limit) == sorted(m for m in members if m >= start)[:limit]


@given(positions.filter(bool))
def test_the_nth_member_of_a_set(members):
    bits = bitmaps.of_positions(members)
    assert [bitmaps.select(bits, rank) for rank in range(len(members))] == sorted(members)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50), st.integers(-1, 2**41))
def test_bit_slices_compare_every_value_exactly(values, bound):
    slices, everything = Slices.of(values), bitmaps.span(0, len(values))
    assert slices.at_least(bound, everything) == bitmaps.of_positions(i for i, v in enumerate(values) if v >= bound)
    assert slices.at_most(bound, everything) == bitmaps.of_positions(i for i, v in enumerate(values) if v <= bound)


@given(st.lists(st.booleans(), max_size=80), st.data())
def test_moved_bits_stay_with_their_members(flags, data):
    removed = sorted(data.draw(st.sets(st.integers(0, len(flags) - 1)))) if flags else []
    kept = [flag for at, flag in enumerate(flags) if at not in removed]
    size = len(kept) + data.draw(st.integers(0, 10))
    inserted = sorted(data.draw(st.permutations(range(size)))[: size - len(kept)])
    moved = Move.of(len(flags), removed, inserted).apply(bitmaps.of_positions(i for i, f in enumerate(flags) if f))
    after = iter(kept)
    expected = [False if at in inserted else next(after) for at in range(size)]
    assert moved == bitmaps.of_positions(i for i, f in enumerate(expected) if f)
