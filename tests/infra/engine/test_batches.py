"""What becomes of a stream batch that fails, rule by rule (infra/local/engine/batches.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.engine.batches import RETRIES_EXHAUSTED, TOO_OLD, Entry, Outcome, Rules, failed_items, settle


class Shard:
    """Records 0..n-1, some of them poison; remembers everything."""

    def __init__(self, poison=(), *, partial=False, throttled=0):
        self.poison = set(poison)
        self.partial = partial
        self.throttled = throttled
        self.batches = []
        self.processed = []
        self.discarded = []
        self.position = 0
        self.waits = 0

    def invoke(self, entries):
        numbers = [int(entry.sequence_number) for entry in entries]
        if self.throttled:
            self.throttled -= 1
            return Outcome(throttled=True)
        self.batches.append(numbers)
        bad = [number for number in numbers if number in self.poison]
        if self.partial:
            self.processed += [number for number in numbers if number not in self.poison]
            return Outcome({"batchItemFailures": [{"itemIdentifier": str(number)} for number in bad]})
        if bad:
            return Outcome(failed=True)
        self.processed += numbers
        return Outcome()

    def advance(self, position):
        assert position > self.position
        self.position = position

    def discard(self, entries, condition, invocations):
        self.discarded += [(int(entry.sequence_number), condition) for entry in entries]

    def wait(self, attempt):
        self.waits += 1
        return self.waits < 1000


def entries(count, arrived=0.0):
    return [Entry({}, number + 1, str(number), arrived) for number in range(count)]


def test_a_batch_without_failures_is_invoked_once():
    shard = Shard()
    assert settle(entries(3), Rules(), shard, lambda: 0)
    assert (shard.batches, shard.position) == ([[0, 1, 2]], 3)


def test_a_failing_batch_is_tried_once_and_then_as_often_as_the_mapping_says():
    shard = Shard(poison=[1])
    settle(entries(3), Rules(retries=2), shard, lambda: 0)
    assert shard.batches == [[0, 1, 2]] * 3
    assert shard.discarded == [(number, RETRIES_EXHAUSTED) for number in range(3)]
    assert shard.position == 3


def test_without_a_cap_a_poison_record_blocks_until_the_mapping_goes():
    shard = Shard(poison=[0])
    assert not settle(entries(1), Rules(), shard, lambda: 0)
    assert (shard.position, shard.discarded) == (0, [])


def test_bisecting_gives_up_the_poison_record_alone():
    shard = Shard(poison=[5])
    settle(entries(8), Rules(retries=1, bisect=True), shard, lambda: 0)
    assert shard.discarded == [(5, RETRIES_EXHAUSTED)]
    assert sorted(shard.processed) == [0, 1, 2, 3, 4, 6, 7]


def test_a_partial_answer_is_taken_up_at_its_lowest_failure():
    shard = Shard(poison=[2], partial=True)
    settle(entries(4), Rules(retries=1, partial=True), shard, lambda: 0)
    assert shard.batches == [[0, 1, 2, 3], [2, 3]]
    assert shard.discarded == [(2, RETRIES_EXHAUSTED), (3, RETRIES_EXHAUSTED)]


def test_records_over_the_maximum_age_are_given_up_without_a_call():
    shard = Shard()
    settle([*entries(2), Entry({}, 3, "2", 100.0)], Rules(max_age_seconds=60), shard, lambda: 110.0)
    assert shard.discarded == [(0, TOO_OLD), (1, TOO_OLD)]
    assert shard.batches == [[2]]


def test_throttling_uses_up_no_attempt():
    shard = Shard(throttled=5)
    settle(entries(1), Rules(retries=0), shard, lambda: 0)
    assert (shard.processed, shard.discarded) == ([0], [])


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.booleans(), st.integers(0, 3))
def test_with_bisecting_exactly_the_poison_records_are_given_up(count, poison, partial, retries):
    shard = Shard(poison, partial=partial)
    assert settle(entries(count), Rules(retries=retries, bisect=True, partial=partial), shard, lambda: 0)
    bad = {number for number in poison if number < count}
    assert shard.position == count
    assert [number for number, _ in shard.discarded] == sorted(bad)
    assert set(shard.processed) == set(range(count)) - bad


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_answers_that_report_no_failure_are_success(answer):
    assert failed_items(answer, {"1"}) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "fine",
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"id": "1"}]},
        {"batchItemFailures": [{"itemIdentifier": "another"}]},
        {"batchItemFailures": "1"},
    ],
)
def test_answers_that_make_no_sense_fail_the_whole_batch(answer):
    assert failed_items(answer, {"1"}) is None
