"""Cursors are opaque, signed, and good for one query of one tenant (R7.6 (220))."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.edge import cursors
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Invalid

ANNA = Caller(Role.USER, subject="anna", tenant="anna")
BOB = Caller(Role.USER, subject="bob", tenant="bob")


def test_a_cursor_leads_back_to_its_position():
    cursor = cursors.encode(["2026-05-24", "ren_1"], caller=ANNA, query="newest")
    assert cursors.decode(cursor, caller=ANNA, query="newest") == ["2026-05-24", "ren_1"]


def test_a_cursor_of_another_tenant_or_another_query_is_refused_by_name():
    cursor = cursors.encode([1], caller=ANNA, query="newest")
    for caller, query in ((BOB, "newest"), (ANNA, "oldest"), (None, "newest")):
        with pytest.raises(Invalid) as refused:
            cursors.decode(cursor, caller=caller, query=query)
        assert refused.value.fields[0].field == "cursor"


@given(st.text(max_size=80))
def test_no_text_that_we_did_not_sign_is_a_cursor(text):
    with pytest.raises(Invalid):
        cursors.decode(text, caller=ANNA, query="newest")


def test_changing_one_character_breaks_it():
    cursor = cursors.encode([100], caller=ANNA, query="q")
    for place in range(len(cursor) - 1):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(Invalid):
            cursors.decode(changed, caller=ANNA, query="q")
