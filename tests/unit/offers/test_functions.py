"""The offers API, event in and response out, over a market in memory (checklist 262-285, 333-339)."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import iso
from gpubroker.offers.offer import Availability
from gpubroker.offers.slugs import SLUGS
from gpubroker.offers.state import PartState
from gpubroker.resilience.breaker import Breaker, Phase, to_map
from offers.bulk_query_offers import handler as bulk
from offers.decide_offers import handler as decide
from offers.get_health import handler as health
from offers.get_health_summary import handler as health_summary
from offers.get_metrics import handler as metrics
from offers.get_offer import handler as get
from offers.get_providers_health import handler as providers_health
from offers.get_stats import handler as stats
from offers.list_offers import handler as listed
from offers.query_offers import handler as query
from offers.rank_offers import handler as rank
from tests.unit.offers.making import an_offer, many, market_of

OFFERS = [
    an_offer("cheap", price=1.5),
    an_offer("dear", price=3, gpu_model="H200", vram_gb_per_gpu=141),
    an_offer("a100", "runpod", price=1.2, gpu_model="A100", region="us-west", compliance_tags=("hipaa", "soc2")),
    an_offer("europe", "runpod", price=1.9, gpu_model="A100", region="eu-west", spot=True),
    an_offer("scarce", "verda", price=0.9, gpu_model="A100", availability=Availability.LIMITED, vram_gb_per_gpu=40),
    an_offer("nowhere", "azure", price=4, gpu_model="A100", region=None, availability=Availability.UNAVAILABLE),
]
CHEAP, DEAR, A100, EUROPE, SCARCE, NOWHERE = (offer.offer_id for offer in OFFERS)


@pytest.fixture(autouse=True)
def market(reader):
    reader.market = market_of(OFFERS, at=time.time())
    return reader.market


def ids(body):
    return [offer["offer_id"] for offer in body["offers"]]


def problem(answer, status, *fields):
    code, body, headers = answer
    assert (code, headers["content-type"]) == (status, "application/problem+json")
    assert [error["field"] for error in body.get("errors", [])] == list(fields)
    return body


# ------------------------------------------------------------------ the list


def test_anybody_lists_the_market_cheapest_first(ask):
    """262, 333."""
    status, body, headers = ask(listed, {"page": 1, "per_page": 4})
    assert status == 200
    assert ids(body) == [SCARCE, A100, CHEAP, EUROPE]
    assert (body["total"], body["page"], body["per_page"], body["sort"]) == (6, 1, 4, "price")
    assert headers["cache-control"] == "public, max-age=5"
    assert ids(ask(listed, {"page": 2, "per_page": 4})[1]) == [DEAR, NOWHERE]
    assert ids(ask(listed, {"cursor": body["next_cursor"]})[1]) == [DEAR, NOWHERE]


def test_the_filters_of_journey_one(ask):
    """263."""
    assert ids(ask(listed, "gpu=A100&max_price=2.0&region=us-west")[1]) == [A100]
    assert ids(ask(listed, "gpu=a100&region=us")[1]) == [SCARCE, A100]
    assert ids(ask(listed, "gpu_type=H100,nvidia%20h200&min_price=2")[1]) == [DEAR]
    assert ids(ask(listed, "provider=runpod&provider=verda")[1]) == [SCARCE, A100, EUROPE]
    assert ids(ask(listed, "min_availability=limited&gpu=A100")[1]) == [SCARCE, A100, EUROPE]
    assert ids(ask(listed, "availability=unavailable")[1]) == [NOWHERE]
    assert ids(ask(listed, "sort=performance")[1])[:2] == [CHEAP, DEAR]


def test_an_offer_says_everything_in_stated_units_and_nothing_that_is_for_renting(ask):
    """215, 265."""
    _, body, _ = ask(listed, "gpu=H200")
    (offer,) = body["offers"]
    told = {
        "provider": "vastai", "gpu_model": "H200", "gpu_count": 1, "vram_gb_per_gpu": 141, "region": "us-east",
        "price_per_hour": 3.0, "price_micros_per_hour": 3_000_000, "price_per_gpu_hour": 3.0,
        "price_micros_per_gpu_hour": 3_000_000, "currency": "USD", "native_price": "3", "spot": False,
        "availability": "available", "availability_confidence": 1.0, "fp16_tflops": 989.5,
        "memory_bandwidth_gb_s": 4800.0, "compliance_tags": [], "rentable": True, "stale": False, "reliability": None,
    }  # fmt: skip
    assert {key: offer[key] for key in told} == told
    assert offer["fetched_at"].endswith("Z")
    assert "launch" not in offer


def test_every_answer_says_how_fresh_each_part_is_and_which_are_missing(ask, market):
    market.states = dict(market.states) | {
        "vastai": replace(market.states["vastai"], fetched_at=time.time() - 84, outcome="failed")
    }
    _, body, _ = ask(listed)
    parts = {part["provider"]: part for part in body["providers"]}
    assert set(parts) == set(SLUGS)
    assert parts["vastai"]["stale"]
    assert 83 <= parts["vastai"]["age_seconds"] <= 86
    assert parts["vastai"]["offers"] == 2
    assert not parts["runpod"]["stale"]
    assert parts["hyperstack"] == {
        "provider": "hyperstack", "offers": 0, "fetched_at": None, "age_seconds": None, "stale": True, "missing": True,
        "status": "never",
    }  # fmt: skip
    assert {offer["provider"]: offer["stale"] for offer in body["offers"]} == {
        "vastai": True, "runpod": False, "verda": False, "azure": False,
    }  # fmt: skip
    assert body["warnings"] == []


def test_with_no_provider_answering_the_last_offers_come_with_a_warning(ask, reader):
    """R5.4 (208)."""
    reader.market = market_of(OFFERS, at=time.time() - 600)
    status, body, _ = ask(listed)
    assert (status, len(body["offers"])) == (200, 6)
    assert body["warnings"]
    assert all(offer["stale"] for offer in body["offers"])


def test_when_nobody_answered_the_last_check_a_warning_comes_before_anything_is_stale(ask, market):
    """R5.4 (208)."""
    one, *others = market.states
    market.states = {name: replace(state, outcome="failed") for name, state in market.states.items()}
    _, body, _ = ask(listed)
    assert len(body["offers"]) == 6
    assert not any(offer["stale"] for offer in body["offers"])
    assert [warning.split(":")[0] for warning in body["warnings"]] == ["No provider answered when it was last asked"]
    market.states = dict(market.states) | {one: replace(market.states[one], outcome="ok")}
    market._freshness = None
    assert ask(listed)[1]["warnings"] == []
    assert others


@pytest.mark.parametrize("who", [None, "free"])
@pytest.mark.parametrize(
    "parameters",
    ["min_memory_gb=80", "count=1", "compliance_tags=soc2", "spot=true", "rentable=true", "max_vram_gb=48"],
)
def test_plain_plans_filter_plainly(ask, who, parameters):
    body = problem(ask(listed, parameters, who=who), 403, parameters.partition("=")[0])
    assert "pro" in body["detail"]
    assert body["required_plan"] == "pro"


def test_plain_plans_sort_by_price_and_performance_only(ask):
    problem(ask(listed, "sort=score"), 403, "sort")
    assert ask(listed, "sort=performance")[0] == 200


@pytest.mark.parametrize("who", ["pro", "enterprise", "agent", "service", "admin"])
def test_all_others_use_every_filter_and_sort(ask, who):
    """270."""
    status, body, headers = ask(
        listed, "min_memory_gb=80&compliance_tags=soc2,HIPAA&spot=false&count=1&sort=score&rentable=true", who=who
    )
    assert (status, ids(body)) == (200, [A100])
    assert 0 <= body["offers"][0]["score"] <= 1
    assert headers["cache-control"] == "no-store"


def test_a_plan_is_not_believed_from_a_header(ask):
    """204."""
    event = {
        "rawQueryString": "sort=score",
        "headers": {"x-plan": "enterprise"},
        "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "192.0.2.1"}, "requestId": "q"},
    }
    assert listed(event, None)["statusCode"] == 403


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ("gpu=Voodoo2", ["gpu"]),
        ("gpu_type=", ["gpu_type.0"]),
        ("region=atlantis", ["region"]),
        ("provider=nobody", ["provider"]),
        ("min_price=3&max_price=2", ["min_price"]),
        ("min_memory_gb=80&max_vram_gb=40", ["min_memory_gb"]),
        ("min_availability=available&availability=unavailable", ["min_availability"]),
        ("gpu=A100&gpu_type=H100", ["gpu_type"]),
        ("per_page=10&limit=10", ["limit"]),
        ("max_price=NaN", ["max_price"]),
        ("max_price=1e400", ["max_price"]),
        ("max_price=-1", ["max_price"]),
        ("min_price=cheap", ["min_price"]),
        ("page=0", ["page"]),
        ("per_page=101", ["per_page"]),
        ("colour=green", ["colour"]),
        ("sort=colour", ["sort"]),
        ("availability=maybe", ["availability.0"]),
        ("cursor=abc", ["cursor"]),
        ("max_price=1&max_price=2", ["max_price"]),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(ask, parameters, fields):
    answer = ask(listed, parameters, who="pro")
    assert answer[0] == 422
    if fields is not None:
        problem(answer, 422, *dict.fromkeys(fields))


def test_a_cursor_belongs_to_its_query_and_its_tenant(ask):
    cursor = ask(listed, {"per_page": 2}, who="pro")[1]["next_cursor"]
    assert ask(listed, {"per_page": 3, "cursor": cursor}, who="pro")[0] == 200
    problem(ask(listed, {"cursor": cursor, "gpu": "A100"}, who="pro"), 422, "cursor")
    problem(ask(listed, {"cursor": cursor, "sort": "performance"}, who="pro"), 422, "cursor")
    problem(ask(listed, {"cursor": cursor}, who="enterprise"), 422, "cursor")
    problem(ask(listed, {"cursor": cursor}), 422, "cursor")
    problem(ask(listed, {"cursor": cursor, "page": 2}, who="pro"), 422, "cursor")


def test_a_repeated_question_is_answered_alike_and_another_callers_cursor_is_his_own(ask):
    one, two = (ask(listed, {"per_page": 2}, who=who)[1] for who in ("pro", "enterprise"))
    assert ids(one) == ids(two)
    assert ids(ask(listed, {"cursor": two["next_cursor"]}, who="enterprise")[1])[0] == CHEAP


def test_without_any_market_the_answer_is_to_come_again(ask, reader):
    reader.market = Unavailable("not yet", retry_after=2)
    status, _, headers = ask(listed)
    assert (status, headers["retry-after"]) == (503, "2")


# ------------------------------------------------------------------ one offer


def test_one_offer_in_detail_without_credentials(ask):
    """265, 334."""
    status, body, _ = ask(get, offer_id=A100)
    assert (status, body["offer_id"], body["compliance_tags"]) == (200, A100, ["hipaa", "soc2"])
    assert [part["provider"] for part in body["providers"]] == ["runpod"]


@pytest.mark.parametrize("offer_id", ["vastai-nothing", "../../etc", "x" * 79])
def test_an_offer_that_is_not_there_is_not_found(ask, offer_id):
    assert ask(get, offer_id=offer_id)[0] in (404, 422)


@pytest.mark.parametrize("name", ["A100 80GB", "A100-80G", "A100_80GB", "NVIDIA A100-SXM4-80GB"])
def test_a_memory_size_in_a_gpus_name_counts(ask, name):
    """218: who asks for 80 GB is not shown the cheaper one of 40."""
    assert ids(ask(listed, {"gpu": name})[1]) == [A100, EUROPE, NOWHERE]
    assert ids(ask(listed, {"gpu": f"{name},H200"})[1]) == [A100, EUROPE, DEAR, NOWHERE]
    assert ids(ask(listed, {"gpu": "A100 40GB"})[1]) == [SCARCE]


# ------------------------------------------------------------------ queries with credentials


def test_the_query_of_journey_four(ask):
    """283, 335."""
    wanted = {
        "gpu_type": "A100",
        "min_memory_gb": 80,
        "max_price": 2.0,
        "min_availability": "available",
        "regions": ["us-east", "us-west"],
        "compliance_tags": ["soc2", "hipaa"],
    }
    status, body, _ = ask(query, body=wanted, who="agent")
    assert (status, ids(body)) == (200, [A100])


@pytest.mark.parametrize("handler", [query, decide, bulk, rank])
def test_queries_decisions_and_rankings_need_credentials(ask, handler):
    """335-337."""
    assert ask(handler, body={})[0] == 401
    assert ask(handler, body={}, who="forged")[0] == 401
    assert ask(handler, body={}, who="narrow")[0] == 403


def test_a_free_user_queries_with_the_plain_filters(ask):
    assert ask(query, body={"gpu": ["A100"], "max_price": 2}, who="free")[0] == 200
    problem(ask(query, body={"compliance_tags": ["soc2"]}, who="free"), 403, "compliance_tags")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_price": "2.0"}, "max_price"),
        ({"max_price": True}, "max_price"),
        ({"gpu_type": 7}, None),
        ({"min_memory_gb": "80"}, "min_memory_gb"),
        ({"page": 1.5}, "page"),
        ({"unknown": 1}, "unknown"),
        ({"regions": ["mars"]}, "regions"),
    ],
)
def test_a_body_is_held_to_its_types(ask, body, field):
    status, told, _ = ask(query, body=body, who="pro")
    assert status == 422
    if field:
        assert field in [error["field"] for error in told["errors"]]


def test_several_queries_in_one_request_are_answered_in_their_order(ask):
    """279."""
    wanted = {"queries": [{"gpu": "A100", "region": "us-west"}, {"gpu": "H100", "region": "us-east"}]}
    status, body, _ = ask(bulk, body=wanted, who="enterprise")
    assert status == 200
    assert [ids(result) for result in body["results"]] == [[A100], [CHEAP]]


def test_a_fault_in_a_bulk_names_its_query(ask):
    wanted = {"queries": [{"gpu": "A100"}, {"min_price": 2, "max_price": 1}]}
    problem(ask(bulk, body=wanted, who="pro"), 422, "queries.1.min_price")
    problem(ask(bulk, body={"queries": [{"spot": True}]}, who="free"), 403, "queries.0.spot")
    problem(ask(bulk, body={"queries": []}, who="pro"), 422, "queries")
    problem(ask(bulk, body={"queries": [{}] * 51}, who="pro"), 422, "queries")


# ------------------------------------------------------------------ decisions

CRITERIA = {
    "price": {"weight": 0.4, "direction": "minimize"},
    "performance": {"weight": 0.3, "direction": "maximize"},
    "availability": {"weight": 0.2, "direction": "maximize"},
    "latency": {"weight": 0.1, "direction": "minimize"},
}


@pytest.mark.parametrize("method", ["topsis", "weighted_sum", "pareto"])
def test_the_decision_of_journey_four_by_all_three_methods(ask, method):
    """284, 316, 336."""
    wanted = {"candidates": [CHEAP, DEAR, A100, EUROPE], "criteria": CRITERIA, "method": method}
    status, body, _ = ask(decide, body=wanted, who="agent")
    assert status == 200
    assert (body["method"], body["weights_rescaled"], body["total"]) == (method, False, 4)
    ranking = body["ranking"]
    assert [entry["rank"] for entry in ranking] == [1, 2, 3, 4]
    assert {entry["offer_id"] for entry in ranking} == {CHEAP, DEAR, A100, EUROPE}
    assert ranking[0]["offer_id"] == CHEAP
    for entry in ranking:
        assert entry["offer"]["offer_id"] == entry["offer_id"]
        assert sum(view["share"] for view in entry["criteria"].values()) == pytest.approx(1, abs=1e-4)
        assert sum(view["contribution"] for view in entry["criteria"].values()) == pytest.approx(
            entry["score"], abs=1e-4
        )
    if method != "pareto":
        scores = [entry["score"] for entry in ranking]
        assert scores == sorted(scores, reverse=True)


def test_a_decision_explains_itself_and_flags_what_is_not_known(ask):
    """DESIGN §7: a missing value counts as the worst of the set."""
    body = ask(decide, body={"candidates": [CHEAP, NOWHERE], "criteria": CRITERIA}, who="pro")[1]
    worst = body["ranking"][1]
    assert worst["offer_id"] == NOWHERE
    assert worst["criteria"]["latency"] == {"value": None, "missing": True, "contribution": 0.0, "share": 0.0}
    assert "latency" in worst["explanation"]
    assert "price gives" in body["ranking"][0]["explanation"]


def test_pareto_says_who_is_on_the_front(ask):
    wanted = {"candidates": [CHEAP, DEAR, A100, EUROPE], "criteria": CRITERIA, "method": "pareto"}
    ranking = ask(decide, body=wanted, who="pro")[1]["ranking"]
    front = {entry["offer_id"] for entry in ranking if entry["on_front"]}
    assert EUROPE not in front, "A100 costs less and is nearer"
    assert {CHEAP, A100} <= front
    assert [entry["on_front"] for entry in ranking] == sorted((e["on_front"] for e in ranking), reverse=True)


def test_weights_of_another_sum_are_rescaled_and_the_answer_says_so(ask):
    """285."""
    doubled = {name: {"weight": 2 * wish["weight"]} for name, wish in CRITERIA.items()}
    one = ask(decide, body={"candidates": [CHEAP, A100, EUROPE], "criteria": CRITERIA}, who="pro")[1]
    two = ask(decide, body={"candidates": [CHEAP, A100, EUROPE], "criteria": doubled}, who="pro")[1]
    assert (two["weights_rescaled"], two["weights_sum_given"]) == (True, 2.0)
    assert [e["score"] for e in one["ranking"]] == [e["score"] for e in two["ranking"]]


def test_the_direction_of_a_criterion_is_the_callers(ask):
    wanted = {"candidates": [CHEAP, DEAR], "criteria": {"price": {"weight": 1, "direction": "maximize"}}}
    assert ask(decide, body=wanted, who="pro")[1]["ranking"][0]["offer_id"] == DEAR


def test_latency_is_measured_from_where_the_caller_is(ask):
    wanted = {"candidates": [A100, EUROPE], "criteria": {"latency": {"weight": 1}}}
    assert ask(decide, body=wanted | {"origin": "us-west"}, who="pro")[1]["ranking"][0]["offer_id"] == A100
    assert ask(decide, body=wanted | {"origin": "eu-central"}, who="pro")[1]["ranking"][0]["offer_id"] == EUROPE
    problem(ask(decide, body=wanted | {"origin": "mars"}, who="pro"), 422, "origin")


def test_candidates_that_left_the_market_are_named(ask):
    body = ask(decide, body={"candidates": [CHEAP, "vastai-gone", CHEAP]}, who="pro")[1]
    assert (body["total"], body["missing_candidates"]) == (1, ["vastai-gone"])
    assert body["ranking"][0]["score"] == 1.0
    problem(ask(decide, body={"candidates": ["vastai-gone"]}, who="pro"), 404, "candidates")


@pytest.mark.parametrize(
    "criteria",
    [
        {"price": {"weight": -1}},
        {"price": {"weight": 0}},
        {},
        {"colour": {"weight": 1}},
        {"price": {"weight": 1, "direction": "up"}},
        {"price": {"weight": "0.4"}},
    ],
)
def test_criteria_that_make_no_sense_are_refused(ask, criteria):
    assert ask(decide, body={"candidates": [CHEAP], "criteria": criteria}, who="pro")[0] == 422


def test_the_ranking_of_journey_two(ask):
    """271, 337."""
    status, body, _ = ask(rank, "method=topsis&weights=price:0.5,performance:0.5&limit=3", who="pro")
    assert status == 200
    assert len(body["ranking"]) == 3
    assert (body["total"], body["assumed_filters"]) == (5, {"min_availability": "unknown"})
    assert NOWHERE not in [entry["offer_id"] for entry in body["ranking"]]
    assert set(body["criteria"]) == {"price", "performance"}
    assert ask(rank, "min_availability=unavailable", who="pro")[1]["total"] == 6
    assert ask(rank, "gpu=A100&max_price=1", who="free")[1]["total"] == 1
    assert ask(rank, "gpu=A100&max_price=0.1", who="free")[1]["ranking"] == []
    problem(ask(rank, "spot=true", who="free"), 403, "spot")


@pytest.mark.parametrize(
    "weights", ["price", "price:x", "colour:1", "price:0", "price:-1", "price:nan", "price:1,price:1", "price:inf", ","]
)
def test_weights_that_make_no_sense_are_refused(ask, weights):
    """285."""
    problem(ask(rank, {"weights": weights}, who="pro"), 422, "weights")


def test_ties_go_by_offer_id(ask, reader):
    reader.market = market_of([an_offer(name) for name in range(9)], at=time.time())
    ranking = ask(rank, who="pro")[1]["ranking"]
    assert [entry["offer_id"] for entry in ranking] == sorted(entry["offer_id"] for entry in ranking)


# ------------------------------------------------------------------ health, numbers


def test_provider_health_needs_no_credentials_and_counts_against_no_limit(ask, market):
    """212, 339, 350."""
    market.states = dict(market.states) | {
        "vastai": replace(
            market.states["vastai"], outcome="failed", error="ProviderUnavailable", failures=3, circuit="open"
        )
    }
    status, body, headers = ask(providers_health)
    assert status == 200
    assert "ratelimit" not in headers
    assert body["status"] == "degraded"
    views = {view["provider"]: view for view in body["providers"]}
    assert views["vastai"]["healthy"] is False
    assert (views["vastai"]["circuit"], views["vastai"]["failures_in_a_row"]) == ("open", 3)
    assert views["runpod"]["healthy"] is True
    assert body["summary"]["circuits"] == {"closed": 3, "open": 1, "half_open": 0}


def test_health_shows_each_circuit_with_its_counts_and_what_changed_when(ask, market):
    """R3.1, R3.6 (191, 196), R6.4 (213)."""
    at = time.time()
    ring = Breaker(outcomes="1" * 5 + "0" * 5, opened=2)
    open_ = Breaker(phase=Phase.OPEN, generation=5, until=at + 12, opened=3)
    changes = tuple(
        (at - ago, kind) for ago, kind in zip(range(50, 0, -10), ["unhealthy", "healthy"] * 3, strict=False)
    )
    market.states = dict(market.states) | {
        "vastai": replace(market.states["vastai"], breaker=to_map(ring), weight=0.25, transitions=changes),
        "runpod": replace(
            market.states["runpod"], breaker=to_map(open_), circuit="open", outcome="skipped",
            transitions=((at - 18, "unhealthy"), (at - 18, "circuit_open")),
        ),
    }  # fmt: skip
    for handler in (providers_health, health):
        body = ask(handler)[1]
        views = {view["provider"]: view for view in body["providers"]}
        assert views["vastai"]["breaker"] == {"successes": 5, "failures": 5, "opened": 2, "next_trial_at": None}
        assert (views["vastai"]["weight"], views["vastai"]["flapping"]) == (0.25, True)
        assert [told["event"] for told in views["vastai"]["transitions"]][:2] == ["unhealthy", "healthy"]
        assert views["runpod"]["breaker"]["opened"] == 3
        assert views["runpod"]["breaker"]["next_trial_at"] == iso(datetime.fromtimestamp(round(at + 12, 3), UTC))
        assert views["runpod"]["flapping"] is False
        assert body["summary"]["flapping"] == 1
    text = ask(metrics)[1]
    for line in (
        'gpubroker_circuit_state{provider="runpod",state="open"} 1',
        'gpubroker_circuit_state{provider="runpod",state="closed"} 0',
        'gpubroker_circuit_failures{provider="vastai"} 5',
        'gpubroker_circuit_opened{provider="runpod"} 3',
        'gpubroker_provider_weight{provider="vastai"} 0.25',
        'gpubroker_provider_flapping{provider="vastai"} 1',
    ):
        assert line in text.splitlines()


def test_health_of_the_gateway_has_detailed_provider_status(ask, reader):
    """213, 260."""
    status, body, _ = ask(health)
    assert (status, body["version"], body["dependencies"]) == (200, "2.0.0", {"redis": "away"})
    assert len(body["providers"]) == len(SLUGS)
    reader.market = Unavailable("nothing yet", retry_after=2)
    status, body, _ = ask(health)
    assert (status, body["status"], body["providers"]) == (503, "unhealthy", [])


def test_metrics_are_prometheus_text_with_the_circuits_by_state(ask):
    """196, 210, 259."""
    status, text, headers = ask(metrics)
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'gpubroker_circuits{state="closed"} 4' in text
    assert 'gpubroker_provider_offers{provider="vastai"} 2' in text
    for line in text.splitlines():
        assert line.startswith("#") or float(line.rpartition(" ")[2]) >= 0


def test_internal_numbers_are_for_services(ask):
    """295, 296, 356."""
    for handler in (stats, health_summary):
        assert ask(handler)[0] == 401
        for who in ("free", "enterprise", "agent", "admin"):
            assert ask(handler, who=who)[0] == 403
        assert ask(handler, who="service")[0] == 200
    body = ask(stats, who="service")[1]
    assert (body["provider_count"], body["offer_count"]) == (4, 6)
    assert body["by_gpu_model"]["A100"] == {
        "offers": 4, "min_price_per_gpu_hour": 0.9, "average_price_per_gpu_hour": 2.0, "max_price_per_gpu_hour": 4.0,
    }  # fmt: skip
    assert body["average_price_per_gpu_hour"] == pytest.approx(12.5 / 6, abs=1e-6)


def test_an_empty_market_is_answered(ask, reader):
    reader.market = market_of([], at=time.time())
    reader.market.states = {"vastai": PartState(provider="vastai")}
    assert ask(listed)[1]["offers"] == []
    assert ask(rank, who="pro")[1]["ranking"] == []
    assert ask(stats, who="service")[1]["average_price_per_gpu_hour"] is None


def test_a_large_page_is_one_json_document(ask, reader):
    reader.market = market_of(many(500), at=time.time())
    _, body, _ = ask(listed, {"per_page": 100, "sort": "score"}, who="pro")
    assert len(body["offers"]) == 100
    scores = [offer["score"] for offer in body["offers"]]
    assert scores == sorted(scores, reverse=True)
    assert json.dumps(body)
