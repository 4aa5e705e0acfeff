"""The limiter without Redis: whose bucket, what is told, and what happens while Redis is away."""

import logging
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from gpubroker.edge.rate_limits import POLICIES, Decision, Limiter, bucket_of, headers, limit_field, policy_field
from gpubroker.kernel.caller import Caller, Plan, Role

ANONYMOUS = Caller(Role.ANONYMOUS, address="203.0.113.7")
FREE = Caller(Role.USER, subject="usr_1", tenant="usr_1", plan=Plan.FREE, credential="key_1")
PRO = Caller(Role.USER, subject="usr_2", tenant="usr_2", plan=Plan.PRO, credential="key_2")
ENTERPRISE = Caller(Role.USER, subject="usr_3", tenant="usr_3", plan=Plan.ENTERPRISE, credential="key_3")


def alone() -> None:
    return None


class BrokenRedis:
    """A client whose every command fails, and is counted."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def evalsha(self, *arguments: Any) -> Any:
        self.asked += 1
        raise self.error


def caller_of(**changes: Any) -> Caller:
    values: dict[str, Any] = {"role": Role.USER, "subject": "u", "tenant": "u", "credential": "k"} | changes
    return Caller(**values)


@pytest.mark.parametrize(
    ("caller", "limit"),
    [(ANONYMOUS, 10), (FREE, 10), (PRO, 100), (ENTERPRISE, 1000)],
    ids=lambda value: str(value)[:40],
)
def test_each_plan_has_its_requests_in_a_second_and_no_more(caller, limit):
    # R4.1 (198), R4.5 (202)
    limiter = Limiter(alone)
    decisions = [limiter.check(caller, now=5.0) for _ in range(limit + 3)]
    assert [decision.allowed for decision in decisions] == [True] * limit + [False] * 3
    assert [decision.remaining for decision in decisions] == [*range(limit - 1, -1, -1), 0, 0, 0]
    assert decisions[-1].limit == limit


def test_the_window_slides_it_does_not_start_anew_with_each_second():
    # R4.3 (200): ten at the end of one second leave nothing for the start of the next
    limiter = Limiter(alone)
    assert all(limiter.check(FREE, now=0.9).allowed for _ in range(10))
    refused = limiter.check(FREE, now=1.1)
    assert not refused.allowed
    assert refused.retry_after_s == pytest.approx(0.8, abs=1e-5)
    assert limiter.check(FREE, now=1.9 + 1e-5).allowed


def test_more_keys_sessions_or_agents_of_a_tenant_are_not_more_requests():
    # R4.4 (201): the plan is the user's, however many credentials it is used with
    keys = [caller_of(plan=plan, credential=f"k{n}") for plan in (Plan.FREE, Plan.PRO) for n in range(3)]
    agent = caller_of(role=Role.AGENT, subject="agt_1", credential="k9")
    assert {bucket_of(caller) for caller in [*keys, agent]} == {"t:u"}


def test_each_key_of_an_enterprise_has_a_bucket_of_its_own():
    # (277) "a bucket per API key"
    limiter = Limiter(alone)
    first, second = (caller_of(plan=Plan.ENTERPRISE, credential=name) for name in ("k1", "k2"))
    for _ in range(1000):
        limiter.check(first, now=1.0)
    assert not limiter.check(first, now=1.0).allowed
    assert limiter.check(second, now=1.0).allowed


def test_services_and_admins_are_counted_by_credential():
    for role in (Role.SERVICE, Role.ADMIN):
        assert bucket_of(caller_of(role=role, plan=Plan.ENTERPRISE, credential="svc_1")) == "k:svc_1"
    assert bucket_of(caller_of(role=Role.SERVICE, plan=Plan.ENTERPRISE, credential="", tenant="", subject="s")) == "t:s"


def test_a_tenant_cannot_be_mistaken_for_an_address_or_a_key():
    names = "203.0.113.7"
    callers = [
        Caller(Role.ANONYMOUS, address=names),
        caller_of(tenant=names),
        caller_of(plan=Plan.ENTERPRISE, credential=names),
    ]
    assert len({bucket_of(caller) for caller in callers}) == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),  # one customer's /64
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("", "not:an:address", True),  # unknown addresses share one bucket: they are not unlimited
    ],
)
def test_anonymous_callers_are_told_apart_by_their_network(one, other, same):
    # R4.5 (202)
    buckets = {bucket_of(Caller(Role.ANONYMOUS, address=address)) for address in (one, other)}
    assert (len(buckets) == 1) is same


def test_the_headers_are_structured_fields():
    # ietf-wg-httpapi/ratelimit-headers 0669b82c, draft-ietf-httpapi-ratelimit-headers.md, sections 3 and 4
    assert policy_field(("burst", 100, 60), ("daily", 1000, 86400)) == '"burst";q=100;w=60,"daily";q=1000;w=86400'
    assert limit_field("default", 50, 30) == '"default";r=50;t=30'


def test_an_allowed_request_is_told_its_policy_and_what_is_left():
    assert headers(Decision(True, 100, 41, 0.25, 0.0)) == {
        "ratelimit-policy": '"default";q=100;w=1',
        "ratelimit": '"default";r=41;t=1',
    }


@pytest.mark.parametrize(("wait", "told"), [(0.0004, "1"), (1.0, "1"), (1.2, "2")])
def test_a_refused_request_is_told_to_come_back_after_whole_seconds(wait, told):
    # R4.2 (199); RFC 9110 10.2.3: delay-seconds is a whole number
    fields = headers(Decision(False, 10, 0, wait, wait))
    assert fields["retry-after"] == told
    assert fields["ratelimit"].startswith('"default";r=0;t=')


@given(steps=st.lists(st.tuples(st.sampled_from(list(Plan)), st.floats(0, 0.3)), max_size=60))
def test_without_redis_no_caller_is_ever_unlimited_and_none_is_shut_out(steps):
    limiter = Limiter(alone)
    at, allowed = 0.0, dict[Plan, list[float]]()
    for plan, step in steps:
        at += step
        caller = caller_of(plan=plan, tenant=plan.value, credential=plan.value)
        decision = limiter.check(caller, now=at)
        recent = [moment for moment in allowed.get(plan, []) if at - moment < 1]
        assert decision.allowed or len(recent) >= POLICIES[plan].limit
        if decision.allowed:
            allowed[plan] = [*recent, at]
            assert len(allowed[plan]) <= POLICIES[plan].limit


@pytest.mark.parametrize(
    "error", [ConnectionError("refused"), TimeoutError("slow"), ResponseError("OOM"), OSError("reset")], ids=repr
)
def test_with_redis_away_each_process_limits_alone_and_asks_again_after_a_second(error, caplog):
    # R4.6 (203) as far as it goes without the store: never unlimited, never closed
    broken = BrokenRedis(error)
    limiter = Limiter(lambda: broken)  # type: ignore[arg-type,return-value]
    with caplog.at_level(logging.WARNING):
        decisions = [limiter.check(FREE, now=10 + n / 100) for n in range(50)]
    assert sum(decision.allowed for decision in decisions) == 10
    assert broken.asked == 1, "a request must not pay for a store that has just failed"
    limiter.check(FREE, now=11.0)
    assert broken.asked == 2
    assert [record.getMessage()[:11] for record in caplog.records] == ["rate limits"], "one line an outage"


def test_a_process_remembers_a_bounded_number_of_buckets():
    limiter = Limiter(alone, buckets=100)
    for n in range(1000):
        limiter.check(Caller(Role.ANONYMOUS, address=f"10.0.{n // 256}.{n % 256}"), now=1.0)
    assert len(limiter._windows) == 100


def test_the_buckets_of_a_process_weigh_a_few_megabytes():
    limiter = Limiter(alone)
    tracemalloc.start()
    try:
        for n in range(6000):
            limiter.check(Caller(Role.ANONYMOUS, address=f"10.0.{n // 256}.{n % 256}"), now=1.0)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 8_000_000


def test_importing_the_limiter_loads_neither_redis_nor_an_aws_library():
    program = """
import sys
import gpubroker.edge.rate_limits, gpubroker.edge.metrics
heavy = {"redis", "boto3", "botocore", "ssl", "asyncio", "aws_lambda_powertools", "ipaddress"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr


def test_the_plan_decides_not_the_role():
    # (204): the plan stands in the verified identity
    limits: Callable[[Caller], int] = lambda caller: Limiter(alone).check(caller, now=1.0).limit  # noqa: E731
    assert [limits(caller_of(plan=plan)) for plan in (Plan.FREE, Plan.PRO, Plan.ENTERPRISE)] == [10, 100, 1000]
