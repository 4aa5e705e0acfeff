"""Entries of the audit log: canonical text, hashes, chains, subjects. # (42)"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.kernel.errors import Invalid
from gpubroker.management.audit.entry import CHAINS, GENESIS, Entry, Event, Head, following, hash_of, subjects_of
from gpubroker.management.audit.verify import Walk
from gpubroker.management.canonical import bounded, canonical
from tests.unit.management.making import NOW

EVENT = Event("kyc.checked", {"b": 1, "a": [1.5, None, "ä"]}, ("usr_1", "ord_1"), "service:one", "evt_1")


def chain_of(length: int) -> list[tuple[str, str, str]]:
    """(key, text, hash) of a chain as it is stored."""
    head, stored = Head(3), []
    for number in range(length):
        entry = following(head, replace(EVENT, data={"number": number}), NOW + timedelta(seconds=number))
        text = entry.text()
        stored.append((entry.key, text, hash_of(text)))
        head = Head(3, entry.sequence, hash_of(text), entry.recorded_at)
    return stored


def found_in(stored: list[tuple[str, str, str]], head: Head | None = None) -> list[tuple[int, str]]:
    walk = Walk(Head(3))
    list(walk.over(stored))
    if head:
        walk.ends_at(head)
    return [(finding.sequence, finding.what.partition(":")[0]) for finding in walk.findings]


def test_the_text_of_an_entry_is_canonical_and_read_back() -> None:
    entry = following(Head(3), EVENT, NOW)
    assert entry.text() == (
        '{"actor":"service:one","chain":3,"data":{"a":[1.5,null,"\\u00e4"],"b":1},"event_id":"evt_1",'
        f'"prev_hash":"{GENESIS}","recorded_at":"2026-05-24T10:00:00.000Z","sequence":1,'
        '"subjects":["usr_1","ord_1"],"type":"kyc.checked"}'
    )
    assert Entry.of(entry.text()) == entry


def test_time_never_runs_backwards_in_a_chain() -> None:
    head = Head(3, 7, "f" * 64, "2026-05-24T11:00:00.000Z")
    entry = following(head, EVENT, NOW)
    assert (entry.sequence, entry.recorded_at, entry.prev_hash) == (8, head.recorded_at, head.hash)


def test_a_whole_chain_is_found_whole() -> None:
    stored = chain_of(5)
    assert found_in(stored) == []
    last = Entry.of(stored[-1][1])
    assert found_in(stored, Head(3, 5, stored[-1][2], last.recorded_at)) == []
    assert found_in([]) == []


def test_what_was_changed_is_found_where_it_stands() -> None:
    stored = chain_of(5)
    key, text, told = stored[2]
    stored[2] = (key, text.replace('"number":2', '"number":9'), told)
    assert found_in(stored) == [(3, "the entry is not the one that was hashed")]


def test_who_also_makes_a_new_hash_breaks_the_chain_after_it() -> None:
    stored = chain_of(5)
    key, text, _ = stored[2]
    text = text.replace('"number":2', '"number":9')
    stored[2] = (key, text, hash_of(text))
    assert found_in(stored) == [(4, "the entry before it is not the one that it was chained to")]


@pytest.mark.parametrize("gone", [0, 2])
def test_what_is_missing_is_found(gone: int) -> None:
    stored = chain_of(5)
    del stored[gone]
    assert (gone + 1, "missing") in found_in(stored)


def test_a_cut_end_is_found_by_the_head() -> None:
    stored = chain_of(5)
    assert found_in(stored[:3], Head(3, 5, stored[-1][2], "x")) == [(5, "missing")]


def test_what_is_no_entry_is_found_and_the_rest_is_read() -> None:
    stored = chain_of(5)
    stored[2] = (stored[2][0], "{}", stored[2][2])
    whats = found_in(stored)
    assert (3, f"the entry at {stored[2][0]} cannot be read") in [(s, w) for s, w in _raw(stored)]
    assert len(whats) == 1


def _raw(stored: list[tuple[str, str, str]]) -> list[tuple[int, str]]:
    walk = Walk(Head(3))
    list(walk.over(stored))
    return [(finding.sequence, finding.what) for finding in walk.findings]


def test_a_moved_entry_is_found() -> None:
    stored = chain_of(2)
    stored[1] = (stored[1][0].replace("10:00:01", "10:00:02"), *stored[1][1:])
    assert [sequence for sequence, _ in _raw(stored)] == [2]


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
def test_a_subject_has_one_chain(subjects: list[str]) -> None:
    event = replace(EVENT, subjects=tuple(subjects))
    assert 0 <= event.chain < CHAINS
    assert event.chain == replace(event, subjects=(subjects[0], "other")).chain


@pytest.mark.parametrize(
    ("data", "first", "expected"),
    [
        ({}, None, ("service:one",)),
        ({"userId": "usr_1", "order_id": "ord_1", "other": "x"}, None, ("usr_1", "ord_1")),
        ({"userId": "usr_1"}, "cl_1", ("cl_1", "usr_1")),
        ({"userId": "usr_1", "user_id": "usr_1"}, None, ("usr_1",)),
        ({"userId": 5, "orderId": "", "accountId": "a#b", "clusterId": "x" * 200}, None, ("service:one",)),
    ],
)
def test_what_an_event_is_about(data: dict[str, Any], first: str | None, expected: tuple[str, ...]) -> None:
    assert subjects_of(data, first, "service:one") == expected


def test_the_same_content_has_one_text() -> None:
    assert canonical({"b": 1, "a": {"d": 1, "c": 2}}) == canonical({"a": {"c": 2, "d": 1}, "b": 1})


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": float("inf")}, {"a": "x" * 70_000}])
def test_what_may_not_be_kept(value: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="eventData"):
        bounded("eventData", value)


def test_what_is_nested_too_deep_is_refused_however_deep_it_is() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Invalid, match="deep"):
        bounded("eventData", {"a": deep})
    while isinstance(deep, list) and deep:  # taken apart by hand: the interpreter would do it by recursion
        deep = deep.pop()
