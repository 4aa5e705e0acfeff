"""Multi-criteria ranking in plain Python: TOPSIS, weighted sum, Pareto front. Pure mathematics, no offers here.

A matrix has one row for each alternative and one column for each criterion; a direction is `"max"` (more is
better) or `"min"`. The rules that libraries leave open are decided here, so that a score is always a number:

- a missing value (None, NaN, infinite) counts as the worst that the column holds (DESIGN §7); a column with no value
  at all tells nothing apart, exactly as a constant one;
- weights are rescaled to sum 1; when all are zero nothing distinguishes the alternatives;
- where nothing distinguishes the alternatives (one row, equal rows, constant columns) TOPSIS gives all of them 1: each
  is the ideal of the set, and its anti-ideal too; the same goes for a constant column under minmax;
- a column of zeros stays a column of zeros (its norm is 0).

TOPSIS: Hwang & Yoon (1981); normalisations as in Opricovic & Tzeng, EJOR 156(2), 2004, pp. 445-455.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from math import dist, hypot, inf, isfinite
from operator import add
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["max", "min"]
Normalization: TypeAlias = Literal["vector", "minmax", "sum"]
Value: TypeAlias = float | int | None
Matrix: TypeAlias = Sequence[Sequence[Value]]

NORMALIZATIONS: tuple[Normalization, ...] = ("vector", "minmax", "sum")


def topsis(
    matrix: Matrix, weights: Sequence[float], directions: Sequence[Direction], normalization: Normalization = "vector"
) -> list[float]:
    """Relative closeness to the ideal, 0 (worst on every criterion) to 1 (best on every one), in row order.

    Raises ValueError when shapes differ, a weight is negative or not finite, or a name is unknown.
    """
    near, far = _distances(matrix, weights, directions, normalization)
    return [b / (a + b) if a + b else 1.0 for a, b in zip(near, far, strict=True)]


def weighted_sum(
    matrix: Matrix, weights: Sequence[float], directions: Sequence[Direction], normalization: Normalization = "vector"
) -> list[float]:
    """Sum of the weighted, normalised values, all turned so that more is better; in row order.

    `vector` gives x/|x| for benefits and 1 - x/|x| for costs, `minmax` the position between worst and best,
    `sum` x/Σx for benefits and (1/x)/Σ(1/x) for costs. Raises as `topsis` does.
    """
    scores = [0.0] * len(matrix)
    for part in _weighted_parts(matrix, weights, directions, normalization):
        scores = list(map(add, scores, part))
    return scores


def shares(
    method: Literal["topsis", "weighted_sum"],
    matrix: Matrix,
    weights: Sequence[float],
    directions: Sequence[Direction],
    normalization: Normalization = "vector",
    only: Sequence[int] | None = None,
) -> list[list[float]]:
    """What each criterion gives to each alternative's score (or to those of rows `only`): parts that sum to it.

    For the weighted sum these are its terms. TOPSIS has no terms; its score is shared out in proportion to the
    squared distance from the worst that the alternative has on each criterion, which is what its score is made of.
    """
    wanted = range(len(matrix)) if only is None else only
    if method == "weighted_sum":
        parts = _weighted_parts(matrix, weights, directions, normalization)
        return [[part[row] for part in parts] for row in wanted]
    columns = _columns(matrix, weights, directions, normalization)
    scores = topsis(matrix, weights, directions, normalization)
    even = _scaled(weights)
    squares = []
    for values, weight, direction in zip(columns, _scaled(weights), directions, strict=True):
        scaled, _, worst = _spread(values, weight, direction, normalization)
        squares.append((scaled, worst))
    explained = []
    for row in wanted:
        score = scores[row]
        own = [(scaled[row] - worst) ** 2 for scaled, worst in squares]
        whole = sum(own)
        explained.append([score * (part / whole) for part in own] if whole else [score * part for part in even])
    return explained


def pareto_front(matrix: Matrix, directions: Sequence[Direction]) -> list[int]:
    """Indices, ascending, of the alternatives that no other one dominates (at least as good in all, better in one).

    Equal alternatives do not dominate each other, so all copies of a front member are on the front.
    """
    columns = _columns(matrix, [1.0] * len(directions), directions)
    if not matrix:
        return []
    turned = [c if d == "max" else [-x for x in c] for c, d in zip(columns, directions, strict=True)]
    if not turned:
        return list(range(len(matrix)))
    copies: dict[tuple[float, ...], list[int]] = {}
    for index, point in enumerate(zip(*turned, strict=True)):
        copies.setdefault(point, []).append(index)
    points = sorted(copies, reverse=True)  # in this order nothing is dominated by what comes after it
    return sorted(index for point in _undominated(points) for index in copies[point])


_CHUNK = 4096
_MASK_BYTES = 32 << 20


def _undominated(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The front of distinct points in descending order. Two criteria need one sweep, more need sets of bits."""
    if len(points[0]) <= 2:
        front: list[tuple[float, ...]] = []
        best = -inf
        for point in points:
            if not front or point[-1] > best:
                front.append(point)
                best = point[-1]
        return front
    while len(points) > _CHUNK:  # a point that loses in its chunk has lost; chunks are small, so this is cheap
        left = [p for at in range(0, len(points), _CHUNK) for p in _front_by_bits(points[at : at + _CHUNK])]
        shrunk, points = len(left) < 0.9 * len(points), left
        if not shrunk:
            break
    return _front_by_bits(points)


def _front_by_bits(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Whoever is in the set of "at least as good" of every criterion dominates; each set is a bitmap.

    A block of candidates at a time bounds the memory at 32 MB whatever the number of points.
    """
    size = (len(points) + 7) // 8
    block = max(1, _MASK_BYTES // size)
    orders = []
    for criterion in range(len(points[0])):
        values = [point[criterion] for point in points]
        orders.append((values, sorted(range(len(points)), key=values.__getitem__, reverse=True)))
    front = []
    for start in range(0, len(points), block):
        end = min(start + block, len(points))
        better = [-1] * (end - start)
        for values, order in orders:
            seen = bytearray(size)
            at = 0
            while at < len(order):  # equal values see each other
                tied = at
                while tied < len(order) and values[order[tied]] == values[order[at]]:
                    seen[order[tied] >> 3] |= 1 << (order[tied] & 7)
                    tied += 1
                mask = None
                for index in order[at:tied]:
                    if start <= index < end:
                        if mask is None:
                            mask = int.from_bytes(seen, "little")
                        better[index - start] &= mask
                at = tied
        front += [points[start + i] for i, others in enumerate(better) if others == 1 << (start + i)]
    return front


def _distances(
    matrix: Matrix, weights: Sequence[float], directions: Sequence[Direction], normalization: Normalization
) -> tuple[list[float], list[float]]:
    """Of each row: how far from the ideal, and from its opposite."""
    columns = _columns(matrix, weights, directions, normalization)
    spreads = [
        _spread(values, weight, direction, normalization)
        for values, weight, direction in zip(columns, _scaled(weights), directions, strict=True)
    ]
    apart = [(scaled, best, worst) for scaled, best, worst in spreads if best != worst]
    if not apart:
        return [0.0] * len(matrix), [0.0] * len(matrix)
    rows = list(zip(*(scaled for scaled, _, _ in apart), strict=True))
    ideal, opposite = tuple(best for _, best, _ in apart), tuple(worst for _, _, worst in apart)
    return list(map(dist, rows, repeat(ideal))), list(map(dist, rows, repeat(opposite)))


def _spread(
    values: list[float], weight: float, direction: Direction, normalization: Normalization
) -> tuple[list[float], float, float]:
    """A column weighted and normalised, with its best and worst value (in their own direction)."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high or not weight:
        return [0.0] * len(values), 0.0, 0.0
    if normalization == "minmax":
        factor = _inverse(high - low, weight)
        scaled = [(value - low) * factor for value in values]
        low, high = 0.0, (high - low) * factor
    else:
        whole = hypot(*values) if normalization == "vector" else sum(map(abs, values))
        factor = _inverse(whole, weight)
        scaled = [value * factor for value in values]
        low, high = low * factor, high * factor
    return (scaled, high, low) if direction == "max" else (scaled, low, high)


def _weighted_parts(
    matrix: Matrix, weights: Sequence[float], directions: Sequence[Direction], normalization: Normalization
) -> list[list[float]]:
    parts = []
    columns = _columns(matrix, weights, directions, normalization)
    if not matrix:
        return [[] for _ in directions]
    for values, weight, direction in zip(columns, _scaled(weights), directions, strict=True):
        parts.append([weight * value for value in _benefit(values, direction, normalization)])
    return parts or [[0.0] * len(matrix)]


def _benefit(values: list[float], direction: Direction, normalization: Normalization) -> list[float]:
    """A column normalised and turned so that more is better."""
    low, high = min(values), max(values)
    if normalization == "minmax":
        if low == high:  # tells nothing apart: each is the ideal
            return [1.0] * len(values)
        factor, origin = _inverse(high - low, 1.0), low if direction == "max" else high
        return [abs(value - origin) * factor for value in values]
    if normalization == "sum" and direction == "min":
        if low <= 0:
            raise ValueError("sum normalisation needs costs over 0")
        values = [1 / value for value in values]
    whole = hypot(*values) if normalization == "vector" else sum(map(abs, values))
    factor = _inverse(whole, 1.0)
    if normalization == "vector" and direction == "min":
        return [1 - value * factor for value in values]
    return [value * factor for value in values]


def _inverse(whole: float, weight: float) -> float:
    """weight / whole, where a whole beyond or below what a float can divide by leaves the column out."""
    factor = weight / whole if whole else 0.0
    return factor if isfinite(factor) else 0.0


def _scaled(weights: Sequence[float]) -> list[float]:
    whole = sum(weights)
    return [weight / whole for weight in weights] if whole else [0.0 for _ in weights]


def _columns(
    matrix: Matrix,
    weights: Sequence[float],
    directions: Sequence[Direction],
    normalization: Normalization = "vector",
) -> list[list[float]]:
    """The columns with every missing value filled in. Raises ValueError on shapes, weights and names that are wrong."""
    if len(weights) != len(directions):
        raise ValueError(f"{len(weights)} weights for {len(directions)} directions")
    if any(not isfinite(weight) or weight < 0 for weight in weights):
        raise ValueError("weights must be finite and at least 0")
    if any(direction not in ("max", "min") for direction in directions):
        raise ValueError('directions are "max" or "min"')
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization is one of {', '.join(NORMALIZATIONS)}")
    if any(length != len(directions) for length in set(map(len, matrix))):
        raise ValueError(f"every row needs {len(directions)} values")
    if not matrix:
        return [[] for _ in directions]
    return [
        _complete(column, direction) for column, direction in zip(zip(*matrix, strict=True), directions, strict=True)
    ]


def _complete(column: Iterable[Value], direction: Direction) -> list[float]:
    values = list(column)
    try:
        if isfinite(sum(values)):  # type: ignore[arg-type]
            return list(map(float, values))  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        pass  # a None, or an integer too large for a float: found one by one below
    present = [number for value in values if (number := _number(value)) is not None]
    worse: Callable[[list[float]], float] = min if direction == "max" else max
    fill = worse(present) if present else 0.0
    return [fill if (number := _number(value)) is None else number for value in values]


def _number(value: Value) -> float | None:
    try:
        return float(value) if value is not None and isfinite(value) else None
    except OverflowError:
        return None
