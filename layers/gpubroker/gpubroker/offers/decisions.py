"""Which offer is best for somebody, and why: the criteria of criteria.py put through the methods of ranking.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import FieldError, Invalid, NotFound
from gpubroker.offers import ranking
from gpubroker.offers.answers import offer_body
from gpubroker.offers.criteria import BY_NAME, CRITERIA, USUAL_WEIGHTS, matrix_of
from gpubroker.offers.filters import canonical_origin, filters_of, hold_to_plan
from gpubroker.offers.index import OfferIndex
from gpubroker.offers.market import Market
from gpubroker.offers.parts import Columns
from gpubroker.offers.query import all_rows
from gpubroker.offers.ranking import Direction, shares
from gpubroker.offers.requests import Criteria, Decision, Method, Normalisation, RankingFields

SHOWN_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """How to rank. `weights` are as given, by criterion name; those of weight 0 take no part."""

    weights: Mapping[str, float]
    directions: Mapping[str, Direction]
    method: Method = "topsis"
    normalization: Normalisation = "vector"
    origin: str = "us-east"

    @property
    def names(self) -> list[str]:
        return [criterion.name for criterion in CRITERIA if self.weights.get(criterion.name)]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One alternative: its row in the index, its place from 1, its score, the parts that make it up."""

    row: int
    rank: int
    score: float
    parts: list[float]
    on_front: bool | None = None


def rank(index: OfferIndex, rows: Sequence[int], wish: Wish, *, limit: int | None = None) -> list[Ranked]:
    """The best `limit` of these rows, best first; equal scores in the order of offer ids (DESIGN §4).

    `pareto` puts the front first, and both the front and the rest in the order of their TOPSIS score.
    """
    if not rows:
        return []
    names = wish.names
    columns = Columns._make([column[row] for row in rows] for column in index.columns)
    matrix = matrix_of(columns, names, wish.origin)
    weights = [wish.weights[name] for name in names]
    directions = [wish.directions[name] for name in names]
    score = ranking.weighted_sum if wish.method == "weighted_sum" else ranking.topsis
    scores = [round(value, 12) for value in score(matrix, weights, directions, wish.normalization)]
    front = set(ranking.pareto_front(matrix, directions)) if wish.method == "pareto" else None
    ids = columns.offer_id
    order = sorted(range(len(rows)), key=lambda at: (front is not None and at not in front, -scores[at], ids[at]))
    shown = order[:limit]
    kind = "weighted_sum" if wish.method == "weighted_sum" else "topsis"
    parts = shares(kind, matrix, weights, directions, wish.normalization, shown)  # type: ignore[arg-type]
    return [
        Ranked(rows[at], place, scores[at], part, None if front is None else at in front)
        for place, (at, part) in enumerate(zip(shown, parts, strict=True), start=1)
    ]


def decide(market: Market, wanted: Decision, now: float) -> bytes:
    """The candidates, ranked. Those that left the market are named; raises NotFound when none is left."""
    where = market.index.where
    candidates = list(dict.fromkeys(wanted.candidates))
    gone = [offer_id for offer_id in candidates if offer_id not in where]
    if len(gone) == len(candidates):
        raise NotFound(
            "None of the candidates is on the market.",
            fields=(FieldError("candidates", "none of them is on the market"),),
        )
    rows = [where[offer_id] for offer_id in candidates if offer_id in where]
    wish = _wish_of(wanted.criteria, wanted.method, wanted.normalization, wanted.origin)
    return _body(market, rows, rank(market.index, rows, wish), wish, now, missing_candidates=gone)


def ranked(market: Market, wanted: RankingFields, caller: Caller, now: float) -> bytes:
    """The best offers that pass the filters. What cannot be had is left out unless availability is filtered on."""
    hold_to_plan(wanted, caller)
    filters = filters_of(wanted, market.index, market.providers)
    assumed = {}
    if not filters.availabilities and filters.min_availability is None:
        filters = replace(filters, min_availability="unknown")
        assumed = {"min_availability": "unknown"}
    weights = _weights_of(wanted.weights)
    wish = Wish(
        weights,
        {name: BY_NAME[name].direction for name in weights},
        wanted.method,
        wanted.normalization,
        canonical_origin(wanted.origin),
    )
    rows = all_rows(market.index, filters)
    return _body(market, rows, rank(market.index, rows, wish, limit=wanted.limit), wish, now, assumed_filters=assumed)


def _wish_of(criteria: Criteria | None, method: Method, normalization: Normalisation, origin: str) -> Wish:
    weights: dict[str, float] = dict(USUAL_WEIGHTS)
    directions: dict[str, Direction] = {name: criterion.direction for name, criterion in BY_NAME.items()}
    if criteria is not None:
        weights = {}
        for name in BY_NAME:
            wish = getattr(criteria, name)
            if wish is not None:
                weights[name] = wish.weight
                if wish.direction is not None:
                    directions[name] = "min" if wish.direction == "minimize" else "max"
    return Wish(weights, directions, method, normalization, canonical_origin(origin))


def _weights_of(text: str | None) -> dict[str, float]:
    """`price:0.5,performance:0.3` as weights. Raises Invalid on field `weights`."""
    if text is None:
        return dict(USUAL_WEIGHTS)
    weights: dict[str, float] = {}
    for pair in text.split(","):
        name, colon, number = (part.strip() for part in pair.partition(":"))
        if name not in BY_NAME or not colon:
            raise Invalid.of("weights", f"{pair.strip()!r} is not criterion:weight; criteria are {', '.join(BY_NAME)}")
        if name in weights:
            raise Invalid.of("weights", f"{name} is given twice")
        try:
            weights[name] = float(number)
        except ValueError:
            raise Invalid.of("weights", f"the weight of {name} is no number") from None
        if not 0 <= weights[name] <= 1_000_000:
            raise Invalid.of("weights", f"the weight of {name} must be between 0 and 1000000")
    if not any(weights.values()):
        raise Invalid.of("weights", "one criterion needs a weight over 0")
    return weights


def _body(market: Market, rows: Sequence[int], entries: list[Ranked], wish: Wish, now: float, **more: Any) -> bytes:
    names = wish.names
    whole = sum(wish.weights[name] for name in names)
    weights = {name: wish.weights[name] / whole for name in names}
    head = {
        "method": wish.method,
        "normalization": wish.normalization,
        "origin": wish.origin,
        "criteria": {
            name: {
                "weight": round(weights[name], SHOWN_DECIMALS),
                "direction": "minimize" if wish.directions[name] == "min" else "maximize",
                "unit": BY_NAME[name].unit,
            }
            for name in names
        },
        "weights_sum_given": round(whole, SHOWN_DECIMALS),
        "weights_rescaled": abs(whole - 1) > 1e-6,
        "total": len(rows),
    } | more
    freshness = market.freshness(now)
    index = market.index
    values = matrix_of(Columns._make([c[entry.row] for entry in entries] for c in index.columns), names, wish.origin)
    listed = []
    for entry, own in zip(entries, values, strict=True):
        shown = _entry(entry, dict(zip(names, own, strict=True)), weights, wish)
        offer = offer_body(index, entry.row, freshness)
        shown["offer_id"] = index.columns.offer_id[entry.row]
        listed.append(orjson.dumps(shown)[:-1] + b',"offer":' + offer + b"}")
    return b'%b,"ranking":[%b],"providers":%b,"warnings":%b}' % (
        orjson.dumps(head)[:-1],
        b",".join(listed),
        freshness.providers,
        freshness.warnings,
    )


def _entry(
    entry: Ranked, values: Mapping[str, float | None], weights: Mapping[str, float], wish: Wish
) -> dict[str, Any]:
    """One line of a ranking. `share` is the part of the score that a criterion gives, 0 to 1; all shares sum to 1."""
    told = {}
    for name, part in zip(wish.names, entry.parts, strict=True):
        told[name] = {
            "value": values[name],
            "missing": values[name] is None,
            "contribution": round(part, SHOWN_DECIMALS),
            "share": round(part / entry.score, SHOWN_DECIMALS) if entry.score else 0.0,
        }
    shown = {"rank": entry.rank, "score": round(entry.score, SHOWN_DECIMALS)}
    if entry.on_front is not None:
        shown["on_front"] = entry.on_front
    return shown | {"criteria": told, "explanation": _sentence(entry, told, wish)}


def _sentence(entry: Ranked, told: Mapping[str, Mapping[str, Any]], wish: Wish) -> str:
    """The score in words: what made it, strongest first, and what was not known."""
    parts = [
        f"{name} gives {100 * view['share']:.0f} %"
        for name, view in sorted(told.items(), key=lambda item: -item[1]["share"])
        if view["share"] > 0
    ]
    method = {"topsis": "TOPSIS", "weighted_sum": "Weighted sum", "pareto": "TOPSIS within the Pareto order"}[
        wish.method
    ]
    text = f"{method} score {entry.score:.3f}: {', '.join(parts) or 'the worst of the set on every criterion'}."
    if entry.on_front is not None:
        text += " No other offer is at least as good in all and better in one." if entry.on_front else " Dominated."
    if unknown := [name for name, view in told.items() if view["missing"]]:
        text += f" Not known, counted as the worst of the set: {', '.join(unknown)}."
    return text
