"""TOPSIS over 10,000 offers and the four criteria, in plain Python; beside it pymcdm and scikit-criteria on numpy,
whose scores must be ours to 1e-9. CPU time; what the peers need to make arrays of lists is not counted against them.
"""

import time

import numpy
from pymcdm import methods
from pymcdm.normalizations import vector_normalization
from skcriteria import mkdm
from skcriteria.agg import topsis as agg
from skcriteria.pipelines import mkpipe
from skcriteria.preprocessing.invert_objectives import NegateMinimize
from skcriteria.preprocessing.scalers import VectorScaler

from gpubroker.offers.criteria import CRITERIA, matrix_of
from gpubroker.offers.index import OfferIndex
from gpubroker.offers.ranking import topsis
from tests.benchmarks import market
from tests.benchmarks.harness import Row, in_turn, p50, row

OFFERS = 10_000
ROUNDS = 9


def run() -> list[Row]:
    index = OfferIndex.of(market.listings(market.by_bucket(market.offers(OFFERS, now=time.time()))))
    matrix = matrix_of(index.columns, [criterion.name for criterion in CRITERIA])
    weights = [criterion.usual_weight for criterion in CRITERIA]
    directions = [criterion.direction for criterion in CRITERIA]
    array = numpy.array(matrix, dtype=float)
    signs = numpy.array([1 if direction == "max" else -1 for direction in directions])
    scales = numpy.array(weights)
    pymcdm = methods.TOPSIS(vector_normalization)
    pipe = mkpipe(NegateMinimize(), VectorScaler(target="matrix"), agg.TOPSIS())
    decision = mkdm(array, [max if direction == "max" else min for direction in directions], weights=scales)

    scores = topsis(matrix, weights, directions)
    beside = {
        "pymcdm": pymcdm(array, scales, signs),
        "scikit-criteria": pipe.evaluate(decision).e_.similarity,
    }
    apart = {name: float(numpy.abs(numpy.array(scores) - theirs).max()) for name, theirs in beside.items()}
    ours, first, second = in_turn(
        lambda: [lambda: topsis(matrix, weights, directions)],
        lambda: [lambda: pymcdm(array, scales, signs)],
        lambda: [lambda: pipe.evaluate(decision)],
        rounds=ROUNDS,
        clock=time.process_time,
    )
    name = f"TOPSIS of {OFFERS:,} offers by 4 criteria, no numpy"
    return [
        row(
            f"{name}, beside {peer}",
            p50(ours) * 1e3,
            "ms",
            limit=20,
            peer=f"{peer}, scores apart by {apart[peer]:.1e}",
            peer_value=p50(theirs) * 1e3,
            equal=apart[peer] <= 1e-9,
        )
        for peer, theirs in (("pymcdm", first), ("scikit-criteria", second))
    ]
