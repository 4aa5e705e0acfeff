import re

from gpubroker.kernel.ids import named_id, new_id, stable_id


def test_later_ids_sort_after_earlier_ones():
    early = new_id("ren", now_ms=lambda: 1_700_000_000_000)
    late = new_id("ren", now_ms=lambda: 1_700_000_000_001)
    assert early < late
    assert len(early) == len("ren_") + 26


def test_the_same_parts_always_give_the_same_id_and_their_borders_count():
    assert stable_id("vastai", 7301122) == stable_id("vastai", "7301122")
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert stable_id("a\x1f", "b") != stable_id("a", "\x1fb")
    assert len(stable_id("x")) == 20


def test_a_named_id_is_the_same_for_the_same_parts_and_of_the_form_of_a_fresh_one():
    assert named_id("evt", "a", 1) == named_id("evt", "a", "1")
    assert named_id("evt", "ab", "c") != named_id("evt", "a", "bc")
    assert re.fullmatch(r"evt_[0-9A-HJKMNP-TV-Z]{26}", named_id("evt", "x"))
