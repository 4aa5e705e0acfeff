"""Verification: who a credential belongs to, how long a change takes to be seen, and what it costs to find out."""

import subprocess
import sys
from dataclasses import replace

import pytest

from gpubroker.identity import keyring, tokens
from gpubroker.identity.api_keys import new_key
from gpubroker.identity.standing import Account, KeyGrant
from gpubroker.identity.verify import LAG_SECONDS, credential_in
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Unauthenticated, Unavailable

ADDRESS = "203.0.113.7"


# ---------------------------------------------------------------- who it is


def test_without_a_credential_the_caller_is_anonymous_and_nothing_is_read(world):
    caller = world.verifier().caller_of({"x-plan": "enterprise"}, ADDRESS, world.now)
    assert (caller.role, caller.plan, caller.address) == (Role.ANONYMOUS, Plan.FREE, ADDRESS)
    assert (world.reads, world.ring_reads) == (0, 0)


def test_a_user_is_known_by_the_claims_of_an_access_token(world, bearer):  # R4.4 (201)
    caller = world.verifier().caller_of(bearer(world.access()), ADDRESS, world.now)
    assert (caller.role, caller.subject, caller.tenant, caller.plan) == (Role.USER, world.user, world.user, Plan.FREE)
    assert caller.may("rentals:write")
    assert not caller.may("admin:users")


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_user_is_known_by_an_api_key_in_either_header(world, header):  # R4.4 (201)
    sent = world.key if header == "x-api-key" else f"Bearer {world.key}"
    caller = world.verifier().caller_of({header: sent}, ADDRESS, world.now)
    assert (caller.subject, caller.credential) == (world.user, "key_1")
    assert caller.scopes == {"offers:read", "rentals:read"}


def test_the_plan_is_the_verified_one_whatever_a_header_or_an_older_token_says(world, bearer):  # (204)
    token = world.access(plan="enterprise", role="admin", scope="admin:*")
    caller = world.verifier().caller_of(bearer(token) | {"x-plan": "enterprise"}, ADDRESS, world.now)
    assert (caller.plan, caller.role) == (Plan.FREE, Role.USER)
    assert not caller.may("admin:users")


def test_every_api_key_is_a_bucket_of_its_own_and_every_login_of_a_user_the_same(world, bearer):  # (277)
    verifier = world.verifier()
    world.standings[world.user] = world.person(sessions={"ses_1": world.session(), "ses_2": world.session()})
    one, two = (verifier.caller_of(bearer(world.access(sid=sid)), ADDRESS, world.now) for sid in ("ses_1", "ses_2"))
    assert one.credential == two.credential == world.user
    assert verifier.caller_of({"x-api-key": world.key}, ADDRESS, world.now).credential == "key_1"


def test_a_service_token_is_a_service_with_the_scopes_of_its_account(world, bearer):  # (282), R15.2 (291)
    caller = world.verifier().caller_of(bearer(world.account()), ADDRESS, world.now)
    assert (caller.role, caller.subject, caller.plan) == (Role.SERVICE, "kpi", Plan.ENTERPRISE)
    assert caller.may("internal:auth")


def test_an_agent_acts_for_its_owner_on_the_owners_plan(world, bearer):  # R16.2 (309)
    world.standings[world.user] = world.person(plan=Plan.PRO)
    token = world.account(principal=world.user, subject="bot", kind="agent", scopes=frozenset({"offers:read"}))
    caller = world.verifier().caller_of(bearer(token), ADDRESS, world.now)
    assert (caller.role, caller.subject, caller.tenant, caller.plan) == (Role.AGENT, "bot", world.user, Plan.PRO)
    assert caller.scopes == {"offers:read"}


def test_a_service_secret_is_an_api_key_of_the_account(world):
    caller = world.verifier().caller_of({"x-api-key": world.secret}, ADDRESS, world.now)
    assert (caller.role, caller.subject) == (Role.SERVICE, "kpi")
    agent = world.verifier().caller_of({"x-api-key": world.agent_secret}, ADDRESS, world.now)
    assert (agent.role, agent.subject, agent.tenant) == (Role.AGENT, "bot", world.user)


def test_an_administrators_key_is_an_administrator_only_when_it_says_so(world):
    small, large = new_key(world.user), new_key(world.user)
    world.standings[world.user] = world.person(
        role=Role.ADMIN,
        keys={
            "key_1": KeyGrant(small.digest, frozenset({"offers:read"})),
            "key_2": KeyGrant(large.digest, frozenset({"admin:*"})),
        },
    )
    verifier = world.verifier()
    assert verifier.caller_of({"x-api-key": small.text}, ADDRESS, world.now).role is Role.USER
    assert verifier.caller_of({"x-api-key": large.text}, ADDRESS, world.now).role is Role.ADMIN


def test_scopes_that_a_role_may_not_hold_are_not_held_whatever_was_stored(world):
    stored = Account("agent", new_key(world.user).digest, frozenset({"internal:*", "keys:manage", "offers:read"}))
    world.standings[world.user] = world.person(accounts={"bot": stored})
    token = world.account(
        principal=world.user, subject="bot", kind="agent", scopes=frozenset({"internal:*", "offers:read"})
    )
    assert world.verifier().caller_of_text(token, ADDRESS, world.now).scopes == {"offers:read"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic YWRhOmFkYQ=="},
        {"authorization": "bearer not.a.token"},
        {"x-api-key": ""},
        {"x-api-key": "gpb_"},
        {"x-api-key": "gpb_" + "é" * 70},
        {"x-api-key": "a", "authorization": "Bearer b"},
    ],
)
def test_a_credential_that_cannot_be_read_is_refused_without_a_read(world, headers):
    with pytest.raises(Unauthenticated):
        world.verifier().caller_of(headers, ADDRESS, world.now)
    assert world.reads == 0


def test_the_scheme_is_read_in_any_case(world):
    assert credential_in({"authorization": "bEaReR abc"}) == "abc"


# ---------------------------------------------------------------- what does not hold


@pytest.mark.parametrize(
    "claims",
    [
        {"sid": "ses_9"},
        {"sid": None},
        {"kind": "service"},
        {"kind": "admin"},
        {"kind": None},
        {"sub": "usr_01J99999999999999999999999"},
        {"own": "svc_01J00000000000000000000000"},
    ],
)
def test_a_signed_token_that_the_standing_does_not_bear_out_is_refused(world, bearer, claims):
    with pytest.raises(Unauthenticated):
        world.verifier().caller_of(bearer(world.access(**claims)), ADDRESS, world.now)


@pytest.mark.parametrize(
    "changed",
    [{"generation": 2}, {"subject": "other"}, {"kind": "agent"}, {"principal": "usr_01J00000000000000000000000"}],
)
def test_a_service_token_of_another_generation_account_or_kind_is_refused(world, bearer, changed):
    with pytest.raises(Unauthenticated):
        world.verifier().caller_of(bearer(world.account(**changed)), ADDRESS, world.now)


def test_an_expired_session_and_an_expired_key_are_refused(world, bearer):
    world.standings[world.user] = world.person(
        sessions={"ses_1": world.session(expires_at=int(world.now))},
        keys={"key_1": KeyGrant(world.person().keys["key_1"].digest, frozenset({"offers:read"}), int(world.now))},
    )
    for headers in (bearer(world.access()), {"x-api-key": world.key}):
        with pytest.raises(Unauthenticated):
            world.verifier().caller_of(headers, ADDRESS, world.now)


def test_every_refusal_reads_the_same(world, bearer):
    texts = set()
    for token in (world.access(sid="ses_9"), world.access(at=world.now - 10**6), new_key(world.user).text, "a.b.c"):
        with pytest.raises(Unauthenticated) as refusal:
            world.verifier().caller_of(bearer(token), ADDRESS, world.now)
        texts.add((refusal.value.code, refusal.value.detail))
    assert len(texts) == 1


# ---------------------------------------------------------------- how long a change takes


def changes(world):
    yield "disabled", world.person(disabled=True)
    yield "logged out", world.person(sessions={})
    yield "without keys", world.person(keys={})
    yield "without agents", world.person(accounts={})


@pytest.mark.parametrize("number", range(4))
def test_a_revocation_is_seen_within_the_stated_lag_and_not_a_moment_later(world, bearer, number):
    verifier = world.verifier()
    agent = world.account(
        principal=world.user, subject="bot", kind="agent", scopes=frozenset({"offers:read"}), at=world.now
    )
    headers = {
        "disabled": bearer(world.access()),
        "logged out": bearer(world.access()),
        "without keys": {"x-api-key": world.key},
        "without agents": bearer(agent),
    }
    name, standing = list(changes(world))[number]
    verifier.caller_of(headers[name], ADDRESS, world.now)
    world.standings[world.user] = standing
    assert verifier.caller_of(headers[name], ADDRESS, world.now + LAG_SECONDS - 0.001)
    with pytest.raises(Unauthenticated):
        verifier.caller_of(headers[name], ADDRESS, world.now + LAG_SECONDS)


def test_the_lag_is_thirty_seconds():
    assert LAG_SECONDS == 30


def test_a_new_plan_is_seen_within_the_lag_by_token_key_and_agent(world, bearer):
    verifier = world.verifier()
    agent = world.account(principal=world.user, subject="bot", kind="agent", scopes=frozenset({"offers:read"}))
    every = (bearer(world.access()), {"x-api-key": world.key}, bearer(agent))
    assert {verifier.caller_of(headers, ADDRESS, world.now).plan for headers in every} == {Plan.FREE}
    world.standings[world.user] = world.person(plan=Plan.ENTERPRISE)
    later = world.now + LAG_SECONDS
    assert {verifier.caller_of(headers, ADDRESS, later).plan for headers in every} == {Plan.ENTERPRISE}


def test_being_remembered_does_not_outlive_the_token_or_the_key(world, bearer):
    verifier = world.verifier()
    token = world.access(at=world.now - tokens.ACCESS_SECONDS + 10)
    verifier.caller_of(bearer(token), ADDRESS, world.now)
    with pytest.raises(Unauthenticated):
        verifier.caller_of(bearer(token), ADDRESS, world.now + 10)
    grant = replace(world.person().keys["key_1"], expires_at=int(world.now) + 10)
    world.standings[world.user] = world.person(keys={"key_1": grant})
    verifier.caller_of({"x-api-key": world.key}, ADDRESS, world.now)
    with pytest.raises(Unauthenticated):
        verifier.caller_of({"x-api-key": world.key}, ADDRESS, world.now + 10)


def test_a_compromised_signing_key_is_out_within_a_minute_and_the_lag(world, bearer):
    verifier = world.verifier()
    token = world.access()
    verifier.caller_of(bearer(token), ADDRESS, world.now)
    world.ring = replace(world.ring, keys=world.ring.keys[1:])
    with pytest.raises(Unauthenticated):
        verifier.caller_of(bearer(token), ADDRESS, world.now + 60 + LAG_SECONDS)


# ---------------------------------------------------------------- what it costs


def test_a_new_credential_costs_one_read_and_a_known_one_none(world, bearer):
    verifier = world.verifier()
    headers = bearer(world.access())
    for moment in (0, 1, 29.9):
        verifier.caller_of(headers, ADDRESS, world.now + moment)
    assert (world.reads, world.ring_reads) == (1, 1)
    verifier.caller_of({"x-api-key": world.key}, ADDRESS, world.now)
    assert (world.reads, world.ring_reads) == (2, 1)


def test_a_known_credential_from_another_address_is_told_apart_without_a_read(world, bearer):
    verifier = world.verifier()
    for address in (ADDRESS, "198.51.100.9", ADDRESS):
        assert verifier.caller_of(bearer(world.access()), address, world.now).address == address
    assert world.reads == 1


def test_forged_tokens_cost_no_read_of_standings(world, bearer):
    verifier = world.verifier()
    foreign = tokens.Signer.of(keyring.new_pair())
    for number in range(50):
        token = tokens.Signer(world.signer.kid, foreign.key).sign(
            tokens.ACCESS, {"sub": world.user, "n": number}, at=int(world.now), seconds=900
        )
        with pytest.raises(Unauthenticated):
            verifier.caller_of(bearer(token), ADDRESS, world.now)
    assert (world.reads, world.ring_reads) == (0, 1)


def test_tokens_with_invented_keys_read_the_ring_once_in_ten_seconds(world, bearer):
    verifier = world.verifier()
    for second in range(60):
        foreign = tokens.Signer.of(keyring.new_pair())
        with pytest.raises(Unauthenticated):
            verifier.caller_of(bearer(foreign.sign(tokens.ACCESS, {"sub": "x"}, at=int(world.now), seconds=900)),
                               ADDRESS, world.now + second)  # fmt: skip
    assert (world.reads, world.ring_reads) == (0, 6)


def test_a_wrong_key_tried_again_and_again_is_read_once_in_the_lag(world):
    verifier = world.verifier()
    wrong = new_key(world.user).text
    for second in range(30):
        with pytest.raises(Unauthenticated):
            verifier.caller_of({"x-api-key": wrong}, ADDRESS, world.now + second)
    assert world.reads == 1


def test_a_key_that_was_rotated_in_is_found_though_the_ring_was_read_before(world, bearer):
    verifier = world.verifier()
    verifier.caller_of(bearer(world.access()), ADDRESS, world.now)
    ring, private = keyring.first(keyring.new_pair, world.now)
    world.ring, world.signer = ring, tokens.Signer.of(private.current)
    assert verifier.caller_of(bearer(world.access()), ADDRESS, world.now + 10)


def test_what_is_remembered_is_bounded_and_wrong_credentials_push_no_right_one_out(world, bearer):
    verifier = world.verifier(size=8)
    good = bearer(world.access())
    verifier.caller_of(good, ADDRESS, world.now)
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            verifier.caller_of({"x-api-key": new_key(world.user).text}, ADDRESS, world.now)
    reads = world.reads
    verifier.caller_of(good, ADDRESS, world.now)
    assert world.reads == reads
    for number in range(50):
        verifier.caller_of(bearer(world.access(jti=f"tok_{number}")), ADDRESS, world.now)
    assert len(verifier._known) == len(verifier._refused) == 8


def test_with_the_store_away_the_known_are_served_for_the_lag_and_then_nobody(world, bearer):
    verifier = world.verifier()
    headers = bearer(world.access())
    verifier.caller_of(headers, ADDRESS, world.now)
    world.away = True
    assert verifier.caller_of(headers, ADDRESS, world.now + 29)
    with pytest.raises(Unavailable):
        verifier.caller_of(headers, ADDRESS, world.now + 30)
    world.away = False
    assert verifier.caller_of(headers, ADDRESS, world.now + 31)


def test_with_the_store_away_the_last_ring_holds_for_an_hour(world):
    verifier = world.verifier()
    kid = world.signer.kid
    assert verifier._ring.public_key(kid, world.now)
    world.away = True
    assert verifier._ring.public_key(kid, world.now + 3600)
    with pytest.raises(Unavailable):
        verifier._ring.public_key(kid, world.now + 3700)


def test_the_module_is_slim_until_there_is_a_credential():
    check = (
        "import sys, gpubroker.identity.verify as v; v.Verifier().caller_of({}, '', 0.0); "
        "heavy = {'jwt', 'cryptography', 'pynamodb', 'boto3', 'botocore', 'pydantic', 'argon2'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
