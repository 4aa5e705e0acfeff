"""The signing keys: made at first use, rotated, never two rings at once; Secrets Manager away."""

import json

import boto3
import pytest

from gpubroker.identity import keyring
from gpubroker.identity.signing import SecretsManagerVersions, SecretUnavailable, SigningKeys
from gpubroker.identity.store import ring as store
from gpubroker.identity.tokens import ACCESS, verified
from gpubroker.kernel.errors import Conflict, Unavailable

NOW = 1_800_000_000.0
DAY = 86400


class Secret(SecretsManagerVersions):
    """The real one, with a switch and a hook between its two writes and ours."""

    def __init__(self):
        super().__init__(boto3.client("secretsmanager"), "signing-keys")
        self.away = False
        self.after_write = None

    def _call(self, operation, **arguments):
        if self.away:
            raise SecretUnavailable
        answer = super()._call(operation, **arguments)
        if operation == "put_secret_value" and self.after_write:
            hook, self.after_write = self.after_write, None
            hook()
        return answer


@pytest.fixture
def secret(identity):
    return Secret()


def reads(keys, text, now=NOW):
    return verified(text, ACCESS, public_key=lambda kid: keys.public_key(kid, now), now=now)


def a_token(keys, now=NOW):
    return keys.signer(now).sign(ACCESS, {"sub": "usr_1"}, at=int(now), seconds=900)


def test_the_first_use_makes_the_keys_and_publishes_them_with_the_same_write(secret, outbox):
    assert store.ring() is None
    keys = SigningKeys(secret)
    token = a_token(keys)
    assert reads(SigningKeys(secret), token)["sub"] == "usr_1"
    assert [fact["data"]["reason"] for fact in outbox()] == ["first"]


def test_of_two_first_uses_at_once_one_makes_the_keys_for_both(secret, outbox):
    first, second = SigningKeys(secret), SigningKeys(Secret())
    tokens = []
    secret.after_write = lambda: tokens.append(a_token(second))
    tokens.append(a_token(first))
    for token in tokens:
        assert reads(SigningKeys(secret), token)
    assert first.signer(NOW).kid == second.signer(NOW).kid
    assert store.ring().generation == 1
    assert len(outbox()) == 1


def test_a_process_that_dies_between_secret_and_ring_leaves_nothing_that_counts(secret, outbox):
    def die(*arguments):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        SigningKeys(secret, commit_ring=die).signer(NOW)
    assert store.ring() is None
    assert outbox() == []
    assert reads(SigningKeys(secret), a_token(SigningKeys(secret)))


def test_a_rotation_that_dies_between_secret_and_ring_leaves_the_old_ring_in_force(secret):
    keys = SigningKeys(secret)
    token = a_token(keys)
    with pytest.raises(RuntimeError):
        SigningKeys(secret, commit_ring=lambda *a: (_ for _ in ()).throw(RuntimeError)).rotate(NOW + DAY, force=True)
    assert store.ring().generation == 1
    assert reads(SigningKeys(secret), token)
    assert SigningKeys(secret).rotate(NOW + DAY, force=True).generation == 2


def test_tokens_of_before_a_rotation_are_read_after_it(secret):
    keys = SigningKeys(secret)
    before = a_token(keys)
    old = keys.signer(NOW).kid
    SigningKeys(secret).rotate(NOW + 31 * DAY)
    fresh = SigningKeys(secret)
    assert fresh.signer(NOW).kid != old
    assert reads(fresh, before)
    assert reads(fresh, a_token(fresh))


def test_a_signer_of_a_running_process_changes_within_five_minutes(secret):
    SigningKeys(secret).signer(NOW)
    keys = SigningKeys(secret)
    old = keys.signer(NOW + 31 * DAY).kid
    SigningKeys(secret).rotate(NOW + 31 * DAY)
    assert keys.signer(NOW + 31 * DAY + 299).kid == old
    assert keys.signer(NOW + 31 * DAY + 300).kid != old


def test_the_schedule_rotates_when_it_is_time_and_not_before(secret):
    keys = SigningKeys(secret)
    assert keys.rotate(NOW).generation == 1
    assert keys.rotate(NOW + 29 * DAY).generation == 1
    assert keys.rotate(NOW + 30 * DAY).generation == 2
    assert keys.rotate(NOW + 31 * DAY).generation == 2


def test_of_two_rotations_at_once_one_counts(secret, outbox):
    SigningKeys(secret).signer(NOW)
    rival = SigningKeys(Secret())
    secret.after_write = lambda: rival.rotate(NOW + 31 * DAY)
    ring = SigningKeys(secret).rotate(NOW + 31 * DAY)
    assert ring == store.ring()
    assert ring.generation == 2
    assert [fact["data"]["generation"] for fact in outbox()] == [1, 2]
    assert reads(SigningKeys(secret), a_token(SigningKeys(secret)))


def test_a_forced_rotation_waits_until_every_verifier_knows_the_next_key(secret):
    keys = SigningKeys(secret)
    keys.signer(NOW)
    with pytest.raises(Conflict):
        keys.rotate(NOW + keyring.SEEN_SECONDS - 1, force=True)
    assert keys.rotate(NOW + keyring.SEEN_SECONDS, force=True).generation == 2


def test_a_compromised_key_is_taken_out_and_its_tokens_are_void(secret, outbox):
    keys = SigningKeys(secret)
    token = a_token(keys)
    SigningKeys(secret).revoke(keys.signer(NOW).kid, NOW + 1)
    fresh = SigningKeys(secret)
    assert fresh.public_key(keys.signer(NOW).kid, NOW + 2) is None
    assert reads(fresh, a_token(fresh))
    assert token
    assert outbox()[-1]["data"]["reason"] == "compromised"


def test_with_secrets_manager_away_signing_goes_on_for_an_hour(secret):  # R9.3 (228)
    keys = SigningKeys(secret)
    kid = keys.signer(NOW).kid
    SigningKeys(Secret()).rotate(NOW + 1000, force=True)
    secret.away = True
    assert keys.signer(NOW + 3599).kid == kid
    with pytest.raises(Unavailable):
        keys.signer(NOW + 3601)
    secret.away = False
    assert keys.signer(NOW + 3602).kid != kid


def test_with_secrets_manager_away_a_fresh_process_says_so(secret, api, person):
    ada = person()
    secret.away = True
    with pytest.raises(Unavailable):
        SigningKeys(secret).signer(NOW)
    assert api("get_me", token=ada.token).status == 200  # verifying needs no secret


def test_nobody_reads_a_private_half_from_the_table_or_the_bus(secret, identity, outbox):
    SigningKeys(secret).signer(NOW)
    stored = json.loads(secret.read(store.ring().secret_version))
    everything = repr(identity.scan()["Items"]) + json.dumps(outbox())
    for pair in stored.values():
        assert pair["public"] in everything
        assert pair["private"] not in everything


def test_only_the_version_that_counts_keeps_its_label(secret):
    for day in (0, 31, 62):
        SigningKeys(secret).rotate(NOW + day * DAY)
    versions = boto3.client("secretsmanager").describe_secret(SecretId="signing-keys")["VersionIdsToStages"]
    labelled = [version for version, stages in versions.items() if any(s.startswith("ring-") for s in stages)]
    assert labelled == [store.ring().secret_version]


def test_the_function_rotates_by_schedule_and_by_hand(api, person, identity):
    from identity import rotate_signing_keys

    first = rotate_signing_keys.handler({"detail-type": "Scheduled Event"}, None)
    assert first["generation"] == 1
    ada = person()
    current = next(key["kid"] for key in first["keys"] if key["status"] == "current")
    assert rotate_signing_keys.handler({"revoke_kid": current}, None)["generation"] == 2
    with pytest.raises(keyring.RotationTooSoon):
        rotate_signing_keys.handler({"force": True}, None)
    assert api("get_me", token=ada.token).status == 401
    kids = {key["kid"] for key in api("get_jwks").body["keys"]}
    assert current not in kids
    assert len(kids) == 2


def test_the_key_set_is_public_and_says_how_long_it_may_be_kept(api, person):
    assert api("get_jwks").body == {"keys": []}
    person()
    reply = api("get_jwks")
    assert reply.headers["cache-control"] == "public, max-age=60"
    assert {key["status"] if "status" in key else key["alg"] for key in reply.body["keys"]} == {"EdDSA"}
    assert not [key for key in reply.body["keys"] if "d" in key]


def test_a_client_of_the_key_set_reads_our_tokens_with_any_library(api, person):
    import jwt

    ada = person()
    keys = jwt.PyJWKSet.from_dict(api("get_jwks").body)
    kid = jwt.get_unverified_header(ada.token)["kid"]
    claims = jwt.decode(ada.token, keys[kid].key, algorithms=["EdDSA"], audience="gpubroker-api", issuer="gpubroker")
    assert claims["sub"] == ada.user_id
