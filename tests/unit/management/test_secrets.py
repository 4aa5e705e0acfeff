"""What is taken for a secret, and what is not. # (42)"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.management.secrets import REMOVED, names_secret, without_secrets

SECRET_KEYS = [
    "password",
    "Password",
    "user_password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "clientSecret",
    "SECRET_KEY",
    "token",
    "access_token",
    "refreshToken",
    "X-Auth-Token",
    "authorization",
    "Authorization",
    "api_key",
    "apiKey",
    "API-KEY",
    "x-api-key",
    "apikey",
    "private_key",
    "privateKey",
    "credentials",
    "cookie",
    "Set-Cookie",
    "pin",
    "cvv",
    "card_number",
    "cardNumber",
    "iban",
    "ssn",
    "otp",
    "sessionId",
    "signature",
    "webhookSecret",
    "jwt",
    "aws_secret_access_key",
    "accessKey",
    "ssh_key",
    "mnemonic",
]
PLAIN_KEYS = [
    "userId",
    "amount",
    "status",
    "keyboard",
    "monkey",
    "path",
    "pinned",
    "spinning",
    "cardinal",
    "order_id",
    "tokenizer",
    "secretary_general_no",
    "description",
    "region",
    "created_at",
    "author",
    "authored",
    "keys_count",
    "shopping",
    "assignature",
]

SECRET_VALUES = [
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJl",
    "Bearer abcdef0123456789",
    "basic dXNlcjpwYXNzd29yZA==",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nnever ended",
    "AKIAIOSFODNN7EXAMPLE",
    "gpb_U01ARZ3NDEKTSV4RRFFQ69G5FAVabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "sk_live_0123456789abcdef",
    "sk-proj-0123456789abcdef",
    "hf_abcdefghijklmnopqrstuvwx",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-0123456789-abcdef",
    "4242424242424242",
    "5555-5555-5555-4444",
    "3782 822463 10005",
]
PLAIN_VALUES = [
    "usr_01KSCN0000000000000000000A",
    "txn_01KSCPQP650KCY29RB756MGB45",
    "2026-05-24T10:00:00.000Z",
    "https://one.example.com:6443/path?page=2",
    "1779616800000",
    "4242424242424241",
    "a basic plan",
    "1000000000000000",
    "",
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_key_that_names_a_secret(key: str) -> None:
    assert names_secret(key)
    assert without_secrets({key: {"in": ["whatever", 1]}}) == {key: REMOVED}


@pytest.mark.parametrize("key", [key for key in PLAIN_KEYS if key != "secretary_general_no"])
def test_a_key_that_does_not(key: str) -> None:
    assert not names_secret(key)


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_a_value_that_looks_like_a_secret(value: str) -> None:
    told = without_secrets({"note": f"before {value} after", "deep": [[value]], value: 1})
    text = repr(told)
    assert value not in text
    assert value[8:] not in text
    assert told["note"].startswith("before [removed]")


@pytest.mark.parametrize("value", PLAIN_VALUES)
def test_a_value_that_does_not(value: str) -> None:
    assert without_secrets({"note": value, "list": [value]}) == {"note": value, "list": [value]}


def test_the_credentials_of_a_url_go_and_the_rest_stays() -> None:
    told = without_secrets("postgres://me:word@db.example.com/x and https://a.example.com/?api_key=123abc&page=2")
    assert told == "postgres://[removed]@db.example.com/x and https://a.example.com/?[removed]&page=2"


def test_the_number_of_a_card_goes_as_a_number_too() -> None:
    assert without_secrets([4242424242424242, 4242424242424241, 5, True, None, 1.5]) == [
        REMOVED,
        4242424242424241,
        5,
        True,
        None,
        1.5,
    ]


def test_a_number_of_tokens_is_kept_and_a_pin_is_not() -> None:
    told = {"prompt_tokens": 512, "total_tokens": 1.5, "has_password": True, "token": None, "secretCount": 3}
    assert without_secrets(told) == told
    assert without_secrets({"pin": 1234, "cvv": 123, "otp": 1, "card_pin": 5}) == dict.fromkeys(
        ("pin", "cvv", "otp", "card_pin"), REMOVED
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_once_is_enough(value: Any) -> None:
    once = without_secrets(value)
    assert without_secrets(once) == once
