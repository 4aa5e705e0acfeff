from gpubroker.kernel.ids import new_id, stable_id


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
