"""The ring of signing keys as rules: next, current, previous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.identity.keyring import (
    LONGEST_TOKEN_SECONDS,
    ROTATION_SECONDS,
    SEEN_SECONDS,
    RotationTooSoon,
    UnknownKey,
    first,
    jwks,
    new_pair,
    rotated,
    without,
)
from gpubroker.identity.tokens import SERVICE_SECONDS

DAY = 86400


def test_the_first_ring_signs_at_once_and_shows_its_next_key_already():
    ring, private = first(new_pair, 0)
    assert [key.status for key in ring.keys] == ["current", "next"]
    assert ring.the("current").kid == private.current.kid
    assert {key["kid"] for key in jwks(ring, 0)["keys"]} == {private.current.kid, private.following.kid}


def test_a_key_was_public_before_it_signs():
    ring, private = first(new_pair, 0)
    waiting = ring.the("next").kid
    ring, private = rotated(ring, private, new_pair, 30 * DAY)
    assert ring.the("current").kid == private.current.kid == waiting


def test_a_key_that_verifiers_may_not_know_is_not_put_to_use():
    ring, private = first(new_pair, 0)
    with pytest.raises(RotationTooSoon):
        rotated(ring, private, new_pair, SEEN_SECONDS - 1)


def test_a_previous_key_verifies_until_its_longest_token_has_expired_and_no_longer():
    ring, private = first(new_pair, 0)
    old = ring.the("current").kid
    ring, _ = rotated(ring, private, new_pair, 1000)
    assert ring.public(old, 1000 + LONGEST_TOKEN_SECONDS - 1)
    assert ring.public(old, 1000 + LONGEST_TOKEN_SECONDS) is None
    assert old not in {key["kid"] for key in jwks(ring, 1000 + LONGEST_TOKEN_SECONDS)["keys"]}


def test_no_token_lives_longer_than_its_key_is_kept():
    assert SERVICE_SECONDS <= LONGEST_TOKEN_SECONDS


def test_the_private_half_of_a_previous_key_is_gone():
    ring, private = first(new_pair, 0)
    old = private.current.private
    _, private = rotated(ring, private, new_pair, 30 * DAY)
    assert old not in (private.current.private, private.following.private)


def test_rotation_is_due_after_thirty_days():
    ring, _ = first(new_pair, 0)
    assert not ring.due(ROTATION_SECONDS - 1)
    assert ring.due(ROTATION_SECONDS)


@pytest.mark.parametrize("status", ["current", "next"])
def test_a_compromised_key_is_out_of_the_ring_and_the_ring_is_whole_again(status):
    ring, private = first(new_pair, 0)
    lost = ring.the(status).kid
    ring, private = without(ring, private, lost, new_pair, 5)
    assert ring.public(lost, 5) is None
    assert ring.the("current").kid == private.current.kid
    assert ring.the("next").kid == private.following.kid


def test_an_unknown_key_cannot_be_taken_out():
    ring, private = first(new_pair, 0)
    with pytest.raises(UnknownKey):
        without(ring, private, "no such", new_pair, 5)


@given(st.lists(st.integers(min_value=SEEN_SECONDS, max_value=200 * DAY), max_size=8))
def test_however_it_is_rotated_one_key_signs_and_one_waits(pauses):
    ring, private = first(new_pair, 0)
    now = 0
    for pause in pauses:
        now += pause
        ring, private = rotated(ring, private, new_pair, now)
        statuses = [key.status for key in ring.keys]
        assert statuses.count("current") == statuses.count("next") == 1
        assert ring.the("current").kid == private.current.kid
        assert all(key.retire_at and key.retire_at > now for key in ring.keys if key.status == "previous")
    assert ring.generation == 1 + len(pauses)


def test_a_key_id_is_the_thumbprint_of_rfc_8037():
    from gpubroker.identity.keyring import KeyPair

    pair = KeyPair("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "")
    assert pair.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037, A.3


def test_before_the_first_token_the_key_set_is_empty():
    assert jwks(None, 0) == {"keys": []}
