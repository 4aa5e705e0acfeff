"""TOPSIS beside pymcdm and scikit-criteria: the same scores, and how long they take."""

import random
import warnings
from collections.abc import Iterator

from gpubroker.offers.ranking import pareto_front, topsis
from tests.benchmarks.measuring import Row, at_most, best_ms

SIZE = 10_000
WEIGHTS = [0.4, 0.3, 0.2, 0.1]
DIRECTIONS = ["min", "max", "max", "min"]


def rows() -> Iterator[Row]:
    import numpy as np
    import skcriteria
    from pymcdm import methods as pymcdm_methods
    from pymcdm.normalizations import vector_normalization
    from skcriteria.agg import topsis as skcriteria_topsis
    from skcriteria.preprocessing.scalers import VectorScaler

    draw = random.Random(1)
    matrix = [
        [draw.uniform(0.1, 12), draw.uniform(10, 2500), float(draw.randrange(1, 4)), draw.uniform(10, 300)]
        for _ in range(SIZE)
    ]
    ours = topsis(matrix, WEIGHTS, DIRECTIONS)
    mine = best_ms(lambda: topsis(matrix, WEIGHTS, DIRECTIONS), rounds=15)
    yield at_most("TOPSIS of 10,000 offers by 4 criteria, plain Python", mine, "ms", 20)

    array, weights, types = np.array(matrix), np.array(WEIGHTS), np.array([-1, 1, 1, -1])
    pymcdm = pymcdm_methods.TOPSIS(normalization_function=vector_normalization)

    def by_pymcdm():  # type: ignore[no-untyped-def]
        return pymcdm(array, weights, types)

    def by_skcriteria():  # type: ignore[no-untyped-def]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of criteria to minimise, which its own formula handles
            problem = skcriteria.mkdm(array, [min if d == "min" else max for d in DIRECTIONS], weights=WEIGHTS)
            return skcriteria_topsis.TOPSIS().evaluate(VectorScaler("matrix").transform(problem)).e_.similarity

    for peer, call in (("pymcdm", by_pymcdm), ("scikit-criteria", by_skcriteria)):
        difference = max(abs(a - float(b)) for a, b in zip(ours, call(), strict=True))
        yield at_most(f"TOPSIS: largest difference from {peer}'s scores", difference, "of a score", 1e-9)
        theirs = best_ms(call, rounds=5)
        yield Row(f"TOPSIS of 10,000 offers against {peer}", mine, "ms", None, peer, theirs, theirs / mine)
    front = best_ms(lambda: pareto_front(matrix, DIRECTIONS), rounds=5)
    yield Row("Pareto front of 10,000 offers by 4 criteria", front, "ms")
