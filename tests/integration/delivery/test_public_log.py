"""The log of public messages: counted without gaps, read in order, the same for a fact that comes twice."""

import pytest
from pynamodb.connection.base import Connection

from gpubroker.delivery import public_log
from gpubroker.delivery.public_log import KEPT_SECONDS, MOST_READ, HeadItem, LogItem, PublicLog
from gpubroker.kernel.errors import Unavailable

NOW = 1_780_000_000.0


@pytest.fixture
def log(table) -> PublicLog:
    return PublicLog(clock=lambda: NOW, sleep=lambda seconds: None)


def bodies(number: int, of: str = "x") -> list[dict[str, object]]:
    return [{"of": of, "n": n} for n in range(number)]


def sequences(read: public_log.Read) -> list[int]:
    return [body["sequence"] for body in read.messages]


def test_sequences_go_on_from_fact_to_fact(log):
    assert [body["sequence"] for body in log.append("e1", bodies(3))] == [1, 2, 3]
    assert [body["sequence"] for body in log.append("e2", bodies(2))] == [4, 5]
    read = log.since(2)
    assert (sequences(read), read.position, read.head, read.gap, read.more) == ([3, 4, 5], 5, 5, False, False)
    assert sequences(log.since(0)) == [1, 2, 3, 4, 5]


def test_a_fact_that_comes_again_gets_what_it_had(log):
    first = log.append("e1", bodies(3))
    log.append("e2", bodies(1))
    assert log.append("e1", bodies(3)) == first
    assert log.head() == 4


def test_nothing_new_costs_one_read(log, monkeypatch):
    log.append("e1", bodies(1))
    calls = []
    real = Connection._make_api_call

    def counted(self, operation, *args, **named):
        calls.append(operation)
        return real(self, operation, *args, **named)

    monkeypatch.setattr(Connection, "_make_api_call", counted)
    assert log.since(1).messages == []
    assert calls == ["GetItem"]


def test_reading_goes_on_across_blocks_of_the_log(log, monkeypatch):
    """A fact that begins in one block and ends in the next stands in the next."""
    monkeypatch.setattr(public_log, "BLOCK", 10)
    for number in range(12):
        log.append(f"e{number}", bodies(3))
    for start in range(37):
        assert sequences(log.since(start)) == list(range(start + 1, 37))


def test_a_sequence_of_long_ago_costs_no_query_of_each_block_since(table, monkeypatch):
    now = [NOW]
    log = PublicLog(clock=lambda: now[0])
    log.append("e1", bodies(2))
    HeadItem("STREAM", "HEAD", head=10_000_000).save()
    now[0] += KEPT_SECONDS + 1
    log.append("e2", bodies(2))
    log.append("e3", bodies(1200))
    asked = []
    real = LogItem.query
    monkeypatch.setattr(
        LogItem, "query", lambda block, *more, **named: asked.append(block) or real(block, *more, **named)
    )
    read = log.since(0)
    assert (sequences(read)[:2], len(read.messages), read.gap, read.more) == (
        [10_000_001, 10_000_002],
        1202,
        True,
        False,
    )
    assert len(asked) < 20


def test_one_read_has_an_end_and_the_next_goes_on(log):
    for number in range(12):
        log.append(f"e{number}", bodies(100))
    first = log.since(0)
    assert (len(first.messages), first.more) == (MOST_READ, True)
    second = log.since(first.position)
    assert sequences(first) + sequences(second) == list(range(1, 1201))
    assert not second.more


def test_what_is_too_old_is_a_gap_and_what_came_after_is_read(table):
    now = [NOW]
    log = PublicLog(clock=lambda: now[0])
    log.append("e1", bodies(2))
    now[0] += KEPT_SECONDS - 10
    log.append("e2", bodies(2))
    now[0] += 20
    read = log.since(0)
    assert (sequences(read), read.gap) == ([3, 4], True)
    assert not log.since(2).gap
    now[0] += KEPT_SECONDS
    assert log.since(1) == public_log.Read([], 4, 4, gap=True)


def test_a_sequence_that_was_never_given_is_a_gap(log):
    log.append("e1", bodies(2))
    assert log.since(40) == public_log.Read([], 2, 2, gap=True)


def test_the_loser_of_a_race_for_the_next_number_takes_the_one_after(log, monkeypatch):
    log.append("e0", bodies(1))
    head, raced = log.head, []

    def overtaken() -> int:
        seen = head()
        if not raced:
            raced.append(True)
            PublicLog(clock=lambda: NOW).append("other", bodies(2))
        return seen

    monkeypatch.setattr(log, "head", overtaken)
    assert [body["sequence"] for body in log.append("mine", bodies(1))] == [4]
    monkeypatch.setattr(log, "head", lambda: 1)
    with pytest.raises(Unavailable):
        log.append("never", bodies(1))
