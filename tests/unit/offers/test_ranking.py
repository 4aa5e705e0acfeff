"""TOPSIS, weighted sum and Pareto front against published examples, and where libraries leave the answer open."""

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.offers.ranking import pareto_front, shares, topsis, weighted_sum

# Tzeng & Huang, Multiple Attribute Decision Making (CRC Press 2011), the example of TOPSIS; the same numbers stand in
# scikit-criteria's tests/agg/test_topsis.py.
CARS = [[5, 8, 4], [7, 6, 8], [8, 8, 6], [7, 4, 6]]
CAR_WEIGHTS = [0.3, 0.4, 0.3]
BENEFITS = ["max", "max", "max"]

# Opricovic & Tzeng, EJOR 156(2), 2004, p. 451: three ways up a mountain, by risk and altitude in metres.
MOUNTAINS = [[1, 3000], [2, 3750], [5, 4500]]
RISK_AND_HEIGHT = ["min", "max"]

# pymcdm's test/test_mcdm.py::TestWSM @76e77351: sum normalisation, weights that sum to 2 and are not rescaled there.
WSM = [[96, 83, 75, 7], [63, 5, 56, 9], [72, 30, 32, 48], [11, 4, 27, 9], [77, 21, 17, 11]]
WSM_WEIGHTS = [0.6153846153846154, 0.38461538461538464, 0.46153846153846156, 0.5384615384615384]


def ranks(scores):
    order = sorted(scores, reverse=True)
    return [order.index(score) + 1 for score in scores]


def test_topsis_of_tzeng_and_huang():
    scores = topsis(CARS, CAR_WEIGHTS, BENEFITS)
    assert scores == pytest.approx([0.5037, 0.6581, 0.7482, 0.3340], abs=1e-4)
    assert ranks(scores) == [3, 2, 1, 4]


def test_topsis_of_opricovic_and_tzeng_with_vector_normalisation():
    assert topsis(MOUNTAINS, [0.5, 0.5], RISK_AND_HEIGHT) == pytest.approx([0.762141, 0.722178, 0.237859], abs=1e-6)


def test_the_other_normalisation_has_another_winner():
    scores = topsis(MOUNTAINS, [0.5, 0.5], RISK_AND_HEIGHT, "minmax")
    assert scores == pytest.approx([0.5, 0.617, 0.5], abs=1e-3)
    assert ranks(scores) == [2, 1, 2]


def test_weighted_sum_of_pymcdm():
    scores = weighted_sum(WSM, WSM_WEIGHTS, ["max", "max", "min", "min"], "sum")
    assert [score * sum(WSM_WEIGHTS) for score in scores] == pytest.approx(
        [0.609, 0.313, 0.334, 0.265, 0.479], abs=5e-4
    )
    assert ranks(scores) == [1, 4, 3, 5, 2]


def test_the_pareto_front_of_tzeng_and_huang_by_hand():
    assert pareto_front(CARS, BENEFITS) == [1, 2]


@pytest.mark.parametrize("rank", [topsis, weighted_sum])
@pytest.mark.parametrize("normalization", ["vector", "minmax"])
def test_weights_count_by_their_proportions(rank, normalization):
    one = rank(CARS, [3, 4, 3], BENEFITS, normalization)
    assert one == pytest.approx(rank(CARS, CAR_WEIGHTS, BENEFITS, normalization), abs=1e-12)


def test_nothing_to_rank_is_nothing_ranked():
    assert topsis([], [1], ["max"]) == []
    assert weighted_sum([], [1], ["max"]) == []
    assert shares("topsis", [], [1], ["max"]) == []
    assert shares("weighted_sum", [], [1], ["max"]) == []
    assert pareto_front([], ["max"]) == []
    assert topsis([], [], []) == []


def test_a_single_alternative_is_the_ideal():
    assert topsis([[3, 4]], [1, 1], ["max", "min"]) == [1.0]
    assert weighted_sum([[3, 4]], [1, 1], ["max", "min"], "minmax") == [1.0]
    assert pareto_front([[3, 4]], ["max", "min"]) == [0]


def test_equal_alternatives_have_equal_scores_and_share_the_front():
    matrix = [[1, 2], [3, 1], [1, 2], [3, 1], [0, 9]]
    scores = topsis(matrix, [1, 1], ["max", "min"])
    assert scores[0] == scores[2]
    assert scores[1] == scores[3]
    assert pareto_front(matrix, ["max", "min"]) == [1, 3]
    assert topsis([[1, 2]] * 3, [1, 1], ["max", "min"]) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("normalization", ["vector", "minmax"])
def test_a_constant_criterion_changes_no_score(normalization):
    with_it = topsis([[1, 7], [2, 7], [4, 7]], [0.5, 0.5], ["max", "min"], normalization)
    assert with_it == pytest.approx(topsis([[1], [2], [4]], [1], ["max"], normalization), abs=1e-12)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("rank", [topsis, weighted_sum])
@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_missing_value_counts_as_the_worst_of_the_set(rank, direction, missing):
    """DESIGN §7."""
    worst = 1 if direction == "max" else 9
    told = rank([[5, 5], [missing, 6], [9, 7], [1, 8]], [1, 1], [direction, "max"])
    assert told == rank([[5, 5], [worst, 6], [9, 7], [1, 8]], [1, 1], [direction, "max"])


@pytest.mark.parametrize("normalization", ["vector", "minmax"])
@pytest.mark.parametrize("column", [[0, 0, 0], [None, None, None], [math.nan] * 3])
def test_a_criterion_of_zeros_or_of_nothing_is_no_criterion(normalization, column):
    matrix = list(zip([1, 2, 4], column, strict=True))
    alone = topsis([[1], [2], [4]], [1], ["max"], normalization)
    assert topsis(matrix, [1, 1], ["max", "max"], normalization) == pytest.approx(alone, abs=1e-12)
    assert all(math.isfinite(score) for score in weighted_sum(matrix, [1, 1], ["max", "min"], normalization))


def test_all_weights_zero_leave_all_alternatives_equal():
    assert topsis(CARS, [0, 0, 0], BENEFITS) == [1.0] * 4
    assert weighted_sum(CARS, [0, 0, 0], BENEFITS) == [0.0] * 4


def test_negative_values_keep_their_order():
    assert ranks(topsis([[-5], [-1], [-3]], [1], ["max"])) == [3, 1, 2]
    assert ranks(topsis([[-5], [-1], [-3]], [1], ["min"])) == [1, 3, 2]
    assert ranks(weighted_sum([[-5, 0], [-1, 0], [3, 0]], [1, 1], ["min", "max"])) == [1, 2, 3]


@pytest.mark.parametrize(
    ("matrix", "weights", "directions", "normalization"),
    [
        ([[1, 2]], [1], ["max"], "vector"),
        ([[1, 2], [1]], [1, 1], ["max", "max"], "vector"),
        ([[1]], [-1], ["max"], "vector"),
        ([[1]], [math.nan], ["max"], "vector"),
        ([[1]], [math.inf], ["max"], "vector"),
        ([[1]], [1], ["up"], "vector"),
        ([[1]], [1], ["max"], "softmax"),
        ([[1]], [1, 1], ["max"], "vector"),
    ],
)
def test_what_makes_no_sense_is_refused(matrix, weights, directions, normalization):
    for rank in (topsis, weighted_sum):
        with pytest.raises(ValueError, match=r"."):
            rank(matrix, weights, directions, normalization)


values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**30), 10**30))
directions = st.sampled_from(["max", "min"])


@st.composite
def problems(draw):
    width = draw(st.integers(1, 4))
    matrix = draw(st.lists(st.lists(values, min_size=width, max_size=width), max_size=8))
    weights = draw(st.lists(st.floats(0, 1e6), min_size=width, max_size=width))
    return matrix, weights, draw(st.lists(directions, min_size=width, max_size=width))


@settings(max_examples=300, deadline=None)
@given(problems(), st.sampled_from(["vector", "minmax"]))
def test_whatever_comes_in_a_score_comes_out(problem, normalization):
    matrix, weights, way = problem
    for score in topsis(matrix, weights, way, normalization):
        assert 0 <= score <= 1
    for score in weighted_sum(matrix, weights, way, normalization):
        assert math.isfinite(score)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_shares_add_up_to_the_score(problem):
    matrix, weights, way = problem
    for method, rank in (("topsis", topsis), ("weighted_sum", weighted_sum)):
        parts = shares(method, matrix, weights, way)
        whole = rank(matrix, weights, way)
        for own, score in zip(parts, whole, strict=True):
            if method == "weighted_sum" or sum(weights):
                assert sum(own) == pytest.approx(score, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.tuples(
            st.lists(st.lists(st.integers(0, 4), min_size=width, max_size=width), max_size=30),
            st.lists(directions, min_size=width, max_size=width),
        )
    )
)
def test_the_front_is_whoever_nobody_dominates(problem):
    matrix, way = problem

    def dominates(one, other):
        turned = [(a, b) if d == "max" else (b, a) for a, b, d in zip(one, other, way, strict=True)]
        return all(a >= b for a, b in turned) and any(a > b for a, b in turned)

    expected = [i for i, own in enumerate(matrix) if not any(dominates(other, own) for other in matrix)]
    assert pareto_front(matrix, way) == expected


def test_the_shares_of_some_rows_are_those_rows_of_all():
    everything = shares("topsis", CARS, CAR_WEIGHTS, BENEFITS)
    assert shares("topsis", CARS, CAR_WEIGHTS, BENEFITS, only=[2, 0]) == [everything[2], everything[0]]


def test_a_front_of_everybody_and_one_beyond_a_chunk_are_found():
    line = [[x, -x, 0, 1] for x in range(9000)]
    assert pareto_front(line, ["max"] * 4) == list(range(9000))
    draw = random.Random(1)
    cloud = [[draw.random() for _ in range(3)] for _ in range(9000)]
    front = pareto_front(cloud, ["max"] * 3)
    assert 20 < len(front) < 400


def test_ten_thousand_offers_by_four_criteria_take_at_most_twenty_milliseconds():
    draw = random.Random(2)
    matrix = [[draw.random() * 10, draw.random() * 1000, draw.randrange(4), draw.random() * 200] for _ in range(10_000)]
    best = math.inf
    for _ in range(10):
        begun = time.process_time()
        topsis(matrix, [0.4, 0.3, 0.2, 0.1], ["min", "max", "max", "min"])
        best = min(best, time.process_time() - begun)
    assert best <= 0.020
