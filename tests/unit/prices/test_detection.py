"""A batch: groups that fit a transaction, what is set aside, where to go on after a failure. # R12.5 (248)"""

import base64

import pytest

from gpubroker.messaging.price_stream import packed
from gpubroker.prices.changes import read
from gpubroker.prices.detection import Detection, groups
from gpubroker.prices.detector import MINUTE_MS, Series
from gpubroker.prices.states import ACTIONS, READS, State
from gpubroker.storage.transaction import StaleVersion
from tests.unit.prices.changing import NOW_MS, change


class Memory:
    """States that are kept here; it fails or is stale as it is told."""

    def __init__(self):
        self.series, self.events, self.stale, self.broken_at = {}, [], 0, None

    def read(self, offers, windows, shard):
        kept = {offer: self.series.get(offer) for offer in offers}
        return State({offer: _copy(one) if one else Series() for offer, one in kept.items()})

    def write(self, state, windows, facts, shard, now_ms):
        if self.stale:
            self.stale -= 1
            raise StaleVersion
        if self.broken_at in state.series:
            raise ConnectionError("the store is away")
        self.series |= state.series
        self.events += facts


def _copy(one):
    return Series(one.prices, one.seen, last_ms=one.last_ms, sequence=one.sequence, version=one.version)


class Aside:
    def __init__(self, broken=False):
        self.what, self.broken = [], broken

    def put(self, what):
        if self.broken:
            raise ConnectionError("the queue is away")
        self.what.append(what)


def record(number, *changes, data=None):
    text = base64.b64encode(packed(changes)).decode() if data is None else data
    return {"eventID": f"shardId-0:{number}", "kinesis": {"sequenceNumber": str(number), "data": text}}


def updates(memory):
    events = [event for event in memory.events if event.type == "PricesUpdated"]
    return [update["offer_id"] for event in events for update in event.data["updates"]]


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def aside():
    return Aside()


def take(memory, aside, *records):
    return Detection(memory, aside, lambda: NOW_MS).take(list(records))


def test_a_poison_record_is_set_aside_whole_and_its_neighbours_are_judged(memory, aside):
    poison = base64.b64encode(b"poison").decode()
    account = take(memory, aside, record(1, change("a")), record(2, data=poison), record(3, change("b")))
    assert (updates(memory), account.failed, account.unreadable) == (["a", "b"], None, 1)
    (what,) = aside.what
    assert (what["data"], what["sequence_number"], what["shard"]) == (poison, "2", "shardId-0")


def test_of_a_record_only_the_bad_change_is_set_aside(memory, aside):
    take(memory, aside, record(1, change("a"), change("b", 0), change("c")))
    assert updates(memory) == ["a", "c"]
    assert [bad["offer_id"] for bad in aside.what[0]["changes"]] == ["b"]


@pytest.mark.parametrize("data", ["!!", ""])
def test_what_is_not_even_base64_is_set_aside_too(memory, aside, data):
    assert take(memory, aside, record(1, data=data)).failed is None
    assert len(aside.what) == 1


def test_without_the_queue_the_batch_goes_on_from_the_poison_record(memory):
    account = take(memory, Aside(broken=True), record(1, change("a")), record(2, data="!!"), record(3, change("b")))
    assert (updates(memory), account.failed) == (["a"], "2")


def test_a_store_that_fails_is_reported_from_the_first_record_that_was_not_finished(memory, aside):
    many = [change(f"o{n}") for n in range(150)]
    memory.broken_at = "o120"
    account = take(memory, aside, record(1, *many[:40]), record(2, *many[40:130]), record(3, *many[130:]))
    assert account.failed == "2"
    memory.broken_at = None
    again = take(memory, aside, record(2, *many[40:130]), record(3, *many[130:]))
    assert (again.failed, sorted(updates(memory))) == (None, sorted(one["offer_id"] for one in many))


def test_who_lost_a_race_reads_again_and_judges_anew(memory, aside):
    memory.stale = 2
    assert take(memory, aside, record(1, change("a"))).failed is None
    assert updates(memory) == ["a"]
    memory.stale = 99
    assert take(memory, aside, record(2, change("b"))).failed == "2"


def test_a_batch_that_was_all_seen_writes_nothing(memory, aside):
    take(memory, aside, record(1, change("a")))
    memory.stale = 99  # a write would fail
    account = take(memory, aside, record(1, change("a")))
    assert (account.failed, account.repeated) == (None, 1)


def test_an_empty_record_is_none(memory, aside):
    account = take(memory, aside, record(1))
    assert (account.failed, account.changes) == (None, 0)


def test_groups_keep_the_order_and_fit_one_transaction_even_at_their_worst():
    """Every change of another offer, GPU and minute."""
    worst = [change(f"o{n}", gpu_type=f"G{n}", at_ms=NOW_MS - n * MINUTE_MS) for n in range(333)]
    usual = [change(f"o{n}") for n in range(333)]
    for told in (worst, usual, usual[:1]):
        found, _ = read(packed(told), NOW_MS)
        cut = list(groups(found))
        assert [one for group, _ in cut for one in group] == found
        for group, known in cut:
            offers = {one[1] for one in group}
            windows = {(one[6], one[11] // MINUTE_MS) for one in group}
            assert len(offers) + len(windows) + len({minute for _, minute in windows}) + 3 <= ACTIONS
            assert windows <= {(gpu_type, start_ms // MINUTE_MS) for gpu_type, start_ms in known}
            assert len(offers) + len(known) <= READS
            assert len(group) <= 100
    assert len(list(groups(read(packed(usual), NOW_MS)[0]))) == 4
