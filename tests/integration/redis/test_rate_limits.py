"""The limiter against a real Redis: exactness, leases, several processes, and Redis going away."""

import math
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubroker.edge import rate_limits
from gpubroker.edge.rate_limits import POLICIES, Limiter
from gpubroker.edge.redis_client import connect
from gpubroker.edge.shared_window import TAKE, WINDOW_S, Policy
from gpubroker.kernel.caller import Caller, Plan, Role

SECOND = 1_000_000
START = 1_779_616_800 * SECOND
STEPS = st.sampled_from([0, 0, 1, 250_000, 500_000, 999_999]) | st.integers(0, 400_000)

quiet = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def caller(plan: Plan, name: str = "u") -> Caller:
    return Caller(Role.USER, subject=name, tenant=name, plan=plan, credential=name)


class ScriptAt:
    """TAKE itself with the time of the test in place of Redis', so that a property can walk through hours."""

    def __init__(self, client: redis.Redis, policy: Policy) -> None:
        assert TAKE.count("redis.call('TIME')") == 1
        self._script = TAKE.replace("redis.call('TIME')", "{tonumber(ARGV[10]), tonumber(ARGV[11])}")
        self._sha = client.script_load(self._script)
        self._client, self._policy = client, policy

    def take(self, at: int, *, process: str = "p", wish: int = 0, slot: bytes = b"", unspent: int = 0) -> Any:
        policy = self._policy
        return self._client.evalsha(
            self._sha,
            1,
            "rate:t:u",
            process,
            policy.limit,
            WINDOW_S * SECOND,
            policy.grain_us,
            wish,
            policy.most_leased,
            round(policy.lease_s * SECOND),
            slot,
            unspent,
            at // SECOND,
            at % SECOND,
        )


@quiet
@given(limit=st.integers(1, 5), steps=st.lists(STEPS, max_size=50))
def test_free_and_anonymous_requests_are_decided_exactly_as_the_window_is_defined(client, limit, steps):
    # R4.3 (200), R4.5 (202)
    client.flushall()
    script = ScriptAt(client, Policy(limit))
    at, taken = START, list[int]()
    for step in steps:
        at += step
        granted, remaining, wait, _ = script.take(at)
        recent = [moment for moment in taken if at - moment < SECOND]
        assert bool(granted) == (len(recent) < limit)
        if granted:
            taken.append(at)
            assert remaining == limit - len(recent) - 1
            assert wait == SECOND - (at - (recent or [at])[0])
        else:
            assert wait == SECOND - (at - recent[-limit])


@quiet
@given(
    limit=st.sampled_from([20, 100]),
    moves=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([0, 10_000, 60_000, 910_000]),
            st.sampled_from([0, 40]),
            st.sampled_from([0, 1]),
        ),
        max_size=80,
    ),
)
def test_no_second_sees_more_than_the_stated_overshoot_whatever_processes_do_with_their_leases(client, limit, moves):
    # DESIGN: the overshoot that leases allow is stated and tested. Each process asks for as much as it likes, spends
    # any part of it at the very end of its lease, and gives the rest back.
    client.flushall()
    policy = Policy(limit, lease_s=0.1, share=0.1, grain_us=10_000)
    script = ScriptAt(client, policy)
    lease = round(policy.lease_s * SECOND)
    out: dict[int, tuple[int, int, bytes]] = {}  # process: (end of lease, permits, slot)
    spent, at = list[int](), START
    for process, step, wish, part in moves:
        at += step
        end, permits, slot = out.pop(process, (0, 0, b""))
        used = round(permits * part)
        spent += [min(end, at)] * used
        granted, _, _, slot = script.take(at, process=f"p{process}", wish=wish, slot=slot, unspent=permits - used)
        if granted:
            spent.append(at)
            out[process] = (at + lease, granted - 1, slot)
    for end, permits, _ in out.values():
        spent += [end] * permits
    most = limit + policy.most_leased
    for first in spent:
        assert sum(0 <= moment - first < SECOND for moment in spent) <= most


def test_the_worst_that_leases_can_do_is_a_tenth_over_the_limit(client):
    policy = POLICIES[Plan.PRO]
    script, lease = ScriptAt(client, policy), round(policy.lease_s * SECOND)
    leased = [script.take(START, process=f"p{n}", wish=policy.limit)[0] - 1 for n in range(20)]
    spent = [START + lease] * sum(leased)  # all of them at the last moment
    later = START + SECOND + policy.grain_us  # and the whole limit as soon as their charge has left the window
    while script.take(later)[0]:
        spent.append(later)
    assert sum(START + lease <= moment < START + lease + SECOND for moment in spent) == 110


def test_unspent_permits_go_back_and_can_be_taken_by_others(client):
    script = ScriptAt(client, POLICIES[Plan.PRO])
    granted, remaining, _, slot = script.take(START, process="a", wish=10)
    assert (granted, remaining) == (11, 89)
    assert script.take(START + 50_000, process="b", wish=10)[:2] == [1, 88], "a tenth may be out, and is"
    assert script.take(START + 60_000, process="a", slot=slot, unspent=10)[:2] == [1, 97]


def test_a_process_that_dies_with_a_lease_costs_its_permits_a_second_and_no_more(client):
    script = ScriptAt(client, POLICIES[Plan.PRO])
    assert script.take(START, process="dead", wish=10)[0] == 11
    assert script.take(START + 100_001, process="b", wish=10)[:2] == [11, 78]
    assert script.take(START + SECOND + 10_000, process="c")[1] == 88


def test_a_clock_that_was_set_back_locks_nobody_out(client):
    script = ScriptAt(client, POLICIES[Plan.FREE])
    for _ in range(10):
        script.take(START + 3600 * SECOND)
    assert script.take(START)[:2] == [1, 9]


def test_a_bucket_disappears_from_redis_when_nobody_asks(client):
    for plan, name in [(Plan.FREE, "rate:t:u"), (Plan.ENTERPRISE, "rate:k:u")]:
        Limiter(lambda: client).check(caller(plan))
        assert 900 < client.pttl(name) <= 1200


def test_a_bucket_stays_small_however_many_requests_are_in_it(client):
    limiters = [Limiter(lambda: client) for _ in range(3)]
    for _ in range(500):
        for limiter in limiters:
            limiter.check(caller(Plan.ENTERPRISE))
    assert client.hlen("rate:k:u") <= 102 + 3


@pytest.mark.parametrize("plan", [Plan.FREE, Plan.PRO])
def test_a_burst_of_one_process_gets_exactly_the_limit(client, plan):
    # R4.1 (198): a second that begins with no lease out sees at most the limit
    limiter = Limiter(lambda: client)
    decisions = [limiter.check(caller(plan)) for _ in range(POLICIES[plan].limit * 2)]
    assert sum(decision.allowed for decision in decisions) == POLICIES[plan].limit
    assert not decisions[-1].allowed
    assert 0 < decisions[-1].retry_after_s <= 1.01


def test_counters_are_shared_by_all_instances(client):
    # R4.6 (203)
    limiters = [Limiter(lambda: client) for _ in range(5)]
    allowed = sum(limiter.check(caller(Plan.FREE)).allowed for limiter in limiters for _ in range(10))
    assert allowed == 10


Allowed = tuple[float, float]  # when a request that was allowed was made, and when it had been decided


def most_in_a_second(allowed: list[Allowed]) -> int:
    """The most requests that were surely decided within one second, however long this machine kept any of them."""
    return max(sum(before >= start and after < start + 1 for before, after in allowed) for start, _ in allowed)


def hammer(limiter: Limiter, who: Caller, seconds: float, allowed: list[Allowed]) -> None:
    until = time.monotonic() + seconds
    while (before := time.monotonic()) < until:
        if limiter.check(who).allowed:
            allowed.append((before, time.monotonic()))
        time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.parametrize("plan", list(Plan))
def test_threads_of_several_instances_together_keep_the_limit(server, plan):
    clients = [connect(server.url, timeout_s=2.0) for _ in range(3)]
    limiters = [Limiter(lambda client=client: client) for client in clients]  # type: ignore[misc]
    allowed: list[Allowed] = []
    threads = [
        threading.Thread(target=hammer, args=(limiter, caller(plan), 2.3, allowed))
        for limiter in limiters
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    policy = POLICIES[plan]
    assert most_in_a_second(allowed) <= policy.limit + policy.most_leased
    assert len(allowed) >= 2 * policy.limit, "and what the limit allows does come through"


PROCESS = """
import sys, time
from gpubroker.edge.rate_limits import Limiter
from gpubroker.edge.redis_client import connect
from gpubroker.kernel.caller import Caller, Plan, Role
client = connect(sys.argv[1], timeout_s=2.0)
who = Caller(Role.USER, subject="u", tenant="u", plan=Plan(sys.argv[2]), credential="u")
limiter = Limiter(lambda: client)
client.ping()
sys.stdin.readline()
until, allowed = time.time() + 2.2, []
while (before := time.time()) < until:
    if limiter.check(who).allowed:
        allowed += [before, time.time()]
    time.sleep(0.0005)
print(*allowed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("plan", [Plan.FREE, Plan.PRO])
def test_processes_together_keep_the_limit(server, plan):
    # R4.6 (203)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, server.url, plan.value],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        written = [process.communicate(timeout=60)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    moments = [float(moment) for each in written for moment in each]
    allowed = list(zip(moments[::2], moments[1::2], strict=True))
    policy = POLICIES[plan]
    assert most_in_a_second(allowed) <= policy.limit + policy.most_leased
    assert len(allowed) >= 2 * policy.limit


@pytest.mark.slow
def test_a_caller_well_under_the_limit_is_never_refused_though_many_instances_lease(client):
    limiters = [Limiter(lambda: client) for _ in range(8)]
    refused = 0
    for sent in range(200):
        refused += not limiters[sent % 8].check(caller(Plan.PRO)).allowed
        time.sleep(1 / 80)
    assert refused == 0


class Counting:
    """A client that counts its commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._client, self.commands = client, 0

    def evalsha(self, *arguments: Any) -> Any:
        self.commands += 1
        return self._client.evalsha(*arguments)

    def eval(self, *arguments: Any) -> Any:
        return self._client.eval(*arguments)


@pytest.fixture
def counting(client: redis.Redis) -> Counting:
    return Counting(client)


def test_most_requests_of_a_busy_enterprise_ask_nobody(counting):
    limiter = Limiter(lambda: counting)  # type: ignore[arg-type,return-value]
    for _ in range(900):
        assert limiter.check(caller(Plan.ENTERPRISE)).allowed
    assert counting.commands < 90


def test_every_free_request_that_is_allowed_is_counted_in_redis(counting):
    limiter = Limiter(lambda: counting)  # type: ignore[arg-type,return-value]
    for _ in range(10):
        assert limiter.check(caller(Plan.FREE)).allowed
    assert counting.commands == 10


def test_a_flood_of_refused_requests_costs_redis_nothing(counting):
    limiter = Limiter(lambda: counting)  # type: ignore[arg-type,return-value]
    start = time.monotonic()
    refused = [limiter.check(caller(Plan.FREE)) for _ in range(2000)][10:]
    if time.monotonic() - start < 0.9:
        assert not any(decision.allowed for decision in refused)
        assert counting.commands == 11
    time.sleep(refused[-1].retry_after_s + 0.001)
    assert limiter.check(caller(Plan.FREE)).allowed, "a refusal is forgotten at the moment it named"


def test_a_redis_that_forgot_the_script_is_told_it_again(client):
    limiter = Limiter(lambda: client)
    assert limiter.check(caller(Plan.FREE)).remaining == 9
    client.script_flush()
    assert limiter.check(caller(Plan.FREE)).remaining == 8


def test_redis_killed_midway_leaves_every_process_limiting_alone_until_it_is_back(server):
    # R2.6 (190), R4.6 (203)
    now = 0.0
    client = connect(server.url, timeout_s=2.0)
    limiter = Limiter(lambda: client, clock=lambda: now)
    who = caller(Plan.FREE)
    for _ in range(4):
        assert limiter.check(who).allowed
    server.stop()
    assert sum(limiter.check(who).allowed for _ in range(40)) == 10, "never unlimited, never closed"
    server.start()
    now = 1.1
    assert limiter.check(who).remaining == 9
    assert client.exists("rate:t:u") == 1
    client.close()


@pytest.mark.parametrize("state", ["refuses", "hangs"])
def test_a_store_that_is_away_delays_one_request_a_second_by_at_most_its_timeout(server, nobody_listens, state):
    client = connect(nobody_listens if state == "refuses" else server.url)
    limiter = Limiter(lambda: client)
    if state == "hangs":
        client.ping()
        server.pause()
    try:
        durations = []
        for _ in range(50):
            start = time.perf_counter()
            limiter.check(caller(Plan.PRO))
            durations.append(time.perf_counter() - start)
    finally:
        if state == "hangs":
            server.resume()
        client.close()
    assert durations[0] < 0.5
    assert sorted(durations[1:])[25] < 0.001


def test_the_process_has_one_limiter_that_finds_redis_by_its_url(process_with_redis, client):
    assert rate_limits.limiter() is rate_limits.limiter()
    rate_limits.limiter().check(caller(Plan.FREE))
    assert client.exists("rate:t:u") == 1


def test_a_refused_caller_who_waits_as_long_as_told_is_allowed(client):
    # R4.2 (199)
    limiter = Limiter(lambda: client)
    for _ in range(10):
        limiter.check(caller(Plan.FREE))
    refused = limiter.check(caller(Plan.FREE))
    assert not refused.allowed
    time.sleep(math.ceil(refused.retry_after_s))
    assert limiter.check(caller(Plan.FREE)).allowed
