import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.identity.api_keys import digest_of, new_key, principal_of
from gpubroker.kernel.ids import new_id


@pytest.mark.parametrize("prefix", ["usr", "svc"])
def test_a_key_names_its_owner_so_that_one_read_decides(prefix):
    principal = new_id(prefix)
    key = new_key(principal)
    assert principal_of(key.text) == principal
    assert key.text.startswith("gpb_")
    assert key.last_four == key.text[-4:]


def test_what_is_stored_is_not_the_key():
    key = new_key(new_id("usr"))
    assert key.digest == digest_of(key.text)
    assert key.text[30:] not in key.digest


def test_no_two_keys_are_alike():
    principal = new_id("usr")
    assert len({new_key(principal).text for _ in range(100)}) == 100


@given(st.text(max_size=100))
def test_what_has_not_the_form_of_a_key_is_told_without_a_read(text):
    assert principal_of("gpb_" + text) is None or len(text) == 70


def test_a_key_with_one_character_too_many_or_a_line_end_is_none():
    text = new_key(new_id("usr")).text
    for wrong in (text + "a", text[:-1], text + "\n", text[:-1] + "é", text.replace("gpb_U", "gpb_X")):
        assert principal_of(wrong) is None
