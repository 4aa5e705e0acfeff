"""Tokens that are not ours, not now or not for this use are none (issue's list of bad input; R14.6)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from gpubroker.identity import keyring, tokens
from gpubroker.identity.tokens import ACCESS, REFRESH, RESET_PASSWORD, VERIFY_EMAIL, BadToken, verified

NOW = 1_800_000_000


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
def ring() -> tuple[keyring.Ring, tokens.Signer]:
    ring, private = keyring.first(keyring.new_pair, NOW)
    return ring, tokens.Signer.of(private.current)


@pytest.fixture
def read(ring: Any) -> Callable[..., dict[str, Any]]:
    return lambda text, audience=ACCESS, now=NOW: verified(
        text, audience, public_key=lambda kid: ring[0].public(kid, now), now=now
    )


CLAIMS = {"iss": "gpubroker", "aud": ACCESS, "sub": "usr_1", "iat": NOW, "nbf": NOW, "exp": NOW + 900}


def signed(signer: tokens.Signer, header: dict[str, Any] | None = None, **changed: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    return jwt.encode(claims, signer.key, "EdDSA", headers={"kid": signer.kid, "typ": "at+jwt"} | (header or {}))


def test_a_token_of_ours_is_read(ring, read):
    assert read(signed(ring[1]))["sub"] == "usr_1"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody-else"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": None},
        {"aud": [ACCESS, "another-api"]},
        {"sub": None},
        {"sub": 7},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"nbf": NOW + 60},
        {"nbf": "tomorrow"},
    ],
)
def test_foreign_expired_and_premature_claims_are_refused(ring, read, changed):
    with pytest.raises(BadToken):
        read(signed(ring[1], **changed))


def test_alg_none_is_refused_signed_by_nobody(ring, read):
    for algorithm in ("none", "None", "NONE", ""):
        header = {"alg": algorithm, "kid": ring[1].kid, "typ": "at+jwt"}
        for signature in ("", "AAAA"):
            with pytest.raises(BadToken):
                read(f"{b64(header)}.{b64(CLAIMS)}.{signature}")


def test_the_public_key_as_an_hmac_secret_is_refused(ring, read):
    header = {"alg": "HS256", "kid": ring[1].kid, "typ": "at+jwt"}
    body = f"{b64(header)}.{b64(CLAIMS)}"
    public = ring[0].public(ring[1].kid, NOW)
    for secret in (public.encode(), keyring.unb64(public)):
        with pytest.raises(BadToken):
            read(f"{body}.{b64(hmac.digest(secret, body.encode(), hashlib.sha256))}")


def test_a_key_of_somebody_else_under_our_key_id_is_refused(ring, read):
    foreign = tokens.Signer.of(keyring.new_pair())
    with pytest.raises(BadToken):
        read(signed(tokens.Signer(ring[1].kid, foreign.key)))


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "another"},
        {"kid": "../../etc/passwd"},
        {"kid": "x" * 65},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "kid": "another"},
        {"typ": "JWT"},
        {"typ": "rt+jwt"},
        {"crit": ["exp"]},
    ],
)
def test_wrong_key_ids_types_and_critical_headers_are_refused(ring, read, header):
    with pytest.raises(BadToken):
        read(signed(ring[1], header))


def test_a_changed_payload_is_refused(ring, read):
    header, _, signature = signed(ring[1]).split(".")
    with pytest.raises(BadToken):
        read(f"{header}.{b64(CLAIMS | {'sub': 'usr_2'})}.{signature}")


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b.c", "a.b", "a.b.c.d.e", "é.é.é", "\ud800.a.b", b64([]) + ".e30.AA", "x" * 5000,
     b64({"alg": "EdDSA", "kid": 7}) + ".e30.AA", b64({"alg": "EdDSA"}) + ".e30.AA"],
)  # fmt: skip
def test_garbage_is_refused_and_never_an_error_of_ours(read, text):
    with pytest.raises(BadToken):
        read(text)


@pytest.mark.parametrize("audience", [REFRESH, VERIFY_EMAIL, RESET_PASSWORD])
def test_a_token_works_for_its_own_use_only(ring, read, audience):
    text = ring[1].sign(audience, {"sub": "usr_1"}, at=NOW, seconds=60)
    assert read(text, audience)["sub"] == "usr_1"
    for other in {ACCESS, REFRESH, VERIFY_EMAIL, RESET_PASSWORD} - {audience}:
        with pytest.raises(BadToken):
            read(text, other)


def test_a_clock_that_is_a_little_ahead_makes_no_token_premature(ring, read):
    assert read(signed(ring[1], nbf=NOW + 5))
    with pytest.raises(BadToken):
        read(signed(ring[1], nbf=NOW + 6))


def test_the_same_claims_sign_to_the_same_token(ring):
    first, second = (ring[1].sign(ACCESS, {"sub": "usr_1"}, at=NOW, seconds=900) for _ in range(2))
    assert first == second


def test_access_lives_fifteen_minutes_and_refresh_no_longer_than_its_session(ring):
    pair = tokens.pair_for_session(
        ring[1],
        user_id="usr_1",
        session_id="ses_1",
        refresh_id="rft_1",
        role="user",
        plan="free",
        scopes=frozenset(),
        at=NOW,
        session_expires_at=NOW + 3600,
    )
    assert (pair.expires_in, pair.refresh_expires_in) == (900, 3600)
