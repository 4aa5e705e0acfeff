"""Standard Webhooks: our signatures are those of the specification's own library and vectors. # 281"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gpubroker.delivery.webhooks import signing
from gpubroker.kernel.retry_after import retry_moment

VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector for vector in json.loads(Path(__file__).with_name("vectors.json").read_text())["vectors"]
}
SIGNED = [
    name for name, vector in VECTORS.items() if vector["kind"] == "sign" and "whsec_" in vector["inputs"]["secret"]
]
NOW = datetime.now(UTC)


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_is_the_one_of_the_vectors(name: str) -> None:
    given_, expected = VECTORS[name]["inputs"], VECTORS[name]["expected"]["signature"]
    assert signing.sign(given_["secret"], given_["msg_id"], given_["timestamp"], given_["payload"].encode()) == expected


def test_an_empty_secret_is_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        signing.sign(VECTORS["empty-secret-whsec_"]["inputs"]["secret"], "msg_1", 1, b"")


def verified(secret: str, headers: dict[str, str], body: bytes) -> Any:
    return Webhook(secret).verify(body, headers)


@given(st.binary(min_size=32, max_size=32), st.dictionaries(st.text(), st.text()))
def test_the_packages_verifier_takes_every_message_of_ours_byte_for_byte(key: bytes, told: dict[str, str]) -> None:
    secret = signing.new_secret(lambda size: key)
    body = json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")
    headers = signing.headers([secret], "msg_1", datetime.now(UTC), body)
    assert verified(secret, headers, body) == told


def test_another_byte_another_id_or_another_time_is_not_what_was_signed() -> None:
    secret = signing.new_secret(lambda size: b"k" * size)
    body = b'{"a": 1}'
    headers = signing.headers([secret], "msg_1", NOW, body)
    later = str(int(headers["webhook-timestamp"]) + 1)
    for changed, sent in (
        (headers, b'{"a":1}'),
        (headers | {"webhook-id": "msg_2"}, body),
        (headers | {"webhook-timestamp": later}, body),
    ):
        with pytest.raises(WebhookVerificationError):
            verified(secret, changed, sent)


def test_while_two_secrets_are_in_force_both_verify() -> None:
    new, old = (signing.new_secret(lambda size, byte=byte: byte * size) for byte in (b"n", b"o"))
    headers = signing.headers([new, old], "msg_1", NOW, b"{}")
    assert headers["webhook-signature"].count("v1,") == 2
    assert verified(new, headers, b"{}") == verified(old, headers, b"{}") == {}
    with pytest.raises(WebhookVerificationError):
        verified(signing.new_secret(lambda size: b"x" * size), headers, b"{}")


def test_retry_after_is_read_as_the_vectors_say() -> None:
    vector = VECTORS["retry-after"]
    now = datetime(2026, 5, 24, 10, tzinfo=UTC)
    for value, expected in zip(vector["inputs"]["values"], vector["expected"]["results"], strict=True):
        moment = retry_moment(value, now)
        if expected is None:
            assert moment is None
        elif expected.startswith("now+"):
            assert moment is not None
            assert (moment - now).total_seconds() == int(expected.removeprefix("now+"))
        else:
            assert moment == datetime.fromisoformat(expected)
