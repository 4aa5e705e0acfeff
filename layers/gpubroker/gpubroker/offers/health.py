"""How the providers are, as the last sync saw them (R6.2-R6.4, R3.6). The sync, every 20 s, is the health check."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import iso
from gpubroker.offers.market import Market, MarketReader
from gpubroker.offers.parts import UNPRICED
from gpubroker.offers.state import PartState
from gpubroker.resilience import breaker

VERSION = "2.0.0"
CIRCUITS = ("closed", "open", "half_open")


def providers_health(market: Market, now: float) -> dict[str, Any]:
    """{status, time, providers: [...], summary}. `status`: healthy (all), degraded (some), unhealthy (none)."""
    views = [
        _provider(part, market.states.get(part["provider"]) or PartState(provider=part["provider"]), now)
        for part in market.part_views(now)
    ]
    healthy = sum(view["healthy"] for view in views)
    return {
        "status": "healthy" if healthy == len(views) else "degraded" if healthy else "unhealthy",
        "time": _moment(now),
        "summary": {
            "healthy": healthy,
            "unhealthy": len(views) - healthy,
            "stale": sum(view["stale"] for view in views),
            "flapping": sum(view["flapping"] for view in views),
            "circuits": circuits(market.states),
            "offers": len(market.index),
        },
        "providers": views,
    }


def circuits(states: Mapping[str, PartState]) -> dict[str, int]:
    """How many providers' circuits are closed, open and half open."""
    counted = Counter(state.circuit for state in states.values())
    return {name: counted[name] for name in CIRCUITS}


def _provider(part: dict[str, Any], state: PartState, now: float) -> dict[str, Any]:
    return part | {
        "healthy": state.healthy,
        "flapping": state.flapping(now),
        "weight": state.weight,
        "circuit": state.circuit,
        "breaker": _breaker(breaker.of_map(state.breaker)),
        "transitions": [{"at": _moment(at), "event": kind} for at, kind in state.transitions],
        "checked_at": _moment(state.checked_at) if state.checked_at else None,
        "response_time_ms": round(state.took_s * 1000) if state.fetched_at else None,
        "failures_in_a_row": state.failures,
        "error": state.error,
        "rows_left_out": state.left_out,
    }


def _breaker(circuit: breaker.Breaker) -> dict[str, Any]:
    """What the ring holds, how often it has opened, and when the next trial is due (None while it is closed)."""
    return {
        "successes": circuit.outcomes.count("1"),
        "failures": circuit.outcomes.count("0"),
        "opened": circuit.opened,
        "next_trial_at": _moment(circuit.until) if circuit.phase is breaker.Phase.OPEN else None,
    }


def _moment(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def gateway(reader: MarketReader, redis_answers: Callable[[], bool], now: float) -> tuple[int, dict[str, Any]]:
    """Status code and body of /health: 503 only when there is no market to serve at all (260, 213)."""
    head = {"version": VERSION, "dependencies": {"redis": "ok" if redis_answers() else "away"}}
    try:
        market = reader.current()
    except Unavailable as problem:
        return 503, {"status": "unhealthy", "time": _moment(now), **head, "detail": problem.detail, "providers": []}
    return 200, providers_health(market, now) | head


def exposition(reader: MarketReader, now: float) -> str:
    """Gauges of the market in Prometheus' text format, with the circuits that R3.6 asks for."""
    try:
        market = reader.current()
    except Unavailable:
        return ""
    parts = market.part_views(now)
    families: list[tuple[str, str, list[tuple[str, float]]]] = [
        ("gpubroker_provider_offers", "Offers in the snapshot, by provider.",
         [(f'provider="{part["provider"]}"', part["offers"]) for part in parts]),
        ("gpubroker_provider_age_seconds", "Seconds since a provider last answered.",
         [(f'provider="{part["provider"]}"', part["age_seconds"]) for part in parts if not part["missing"]]),
        ("gpubroker_provider_stale", "1 when a provider's offers are older than their TTL.",
         [(f'provider="{part["provider"]}"', int(part["stale"])) for part in parts]),
        ("gpubroker_provider_up", "1 when the last check of a provider succeeded.",
         [(f'provider="{name}"', int(state.healthy)) for name, state in sorted(market.states.items())]),
        ("gpubroker_provider_flapping", "1 when a provider keeps falling ill and getting well.",
         [(f'provider="{name}"', int(state.flapping(now))) for name, state in sorted(market.states.items())]),
        ("gpubroker_provider_weight", "Weight in the round robin, 0.1 to 1, by how quickly a provider answers.",
         [(f'provider="{name}"', state.weight) for name, state in sorted(market.states.items())]),
        ("gpubroker_circuits", "Circuit breakers by state.",
         [(f'state="{name}"', number) for name, number in circuits(market.states).items()]),
        ("gpubroker_circuit_state", "1 for the state that a provider's circuit is in.",
         [(f'provider="{name}",state="{phase}"', int(state.circuit == phase))
          for name, state in sorted(market.states.items()) for phase in CIRCUITS]),
        ("gpubroker_circuit_failures", "Failures among the calls that a provider's circuit remembers.",
         [(f'provider="{name}"', breaker.of_map(state.breaker).outcomes.count("0"))
          for name, state in sorted(market.states.items())]),
        ("gpubroker_circuit_opened", "How often a provider's circuit has opened.",
         [(f'provider="{name}"', breaker.of_map(state.breaker).opened)
          for name, state in sorted(market.states.items())]),
    ]  # fmt: skip
    lines = []
    for name, text, series in families:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{labels}}} {value}" for labels, value in series]
    return "\n".join(lines) + "\n"


def stats(market: Market, now: float) -> dict[str, Any]:
    """Counts and USD prices per GPU-hour over the whole market, and by model (checklist 295)."""
    index = market.index
    columns, live = index.columns, index.live
    prices: dict[str, list[int]] = {}
    for row in live:
        known = prices.setdefault(columns.gpu_model[row], [])
        if columns.price[row] != UNPRICED:
            known.append(columns.price[row])
    offered = Counter(columns.gpu_model[row] for row in live)
    everything = [price for some in prices.values() for price in some]
    return {
        "provider_count": len({index.providers[row] for row in live}),
        "offer_count": len(live),
        "average_price_per_gpu_hour": _average(everything),
        "providers": market.part_views(now),
        "by_provider": dict(sorted(Counter(index.providers[row] for row in live).items())),
        "by_gpu_model": {
            model: {
                "offers": offered[model],
                "min_price_per_gpu_hour": min(some) / 1_000_000 if some else None,
                "average_price_per_gpu_hour": _average(some),
                "max_price_per_gpu_hour": max(some) / 1_000_000 if some else None,
            }
            for model, some in sorted(prices.items())
        },
    }


def _average(prices: list[int]) -> float | None:
    return round(sum(prices) / len(prices)) / 1_000_000 if prices else None
