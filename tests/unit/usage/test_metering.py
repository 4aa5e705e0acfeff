"""The seconds metered are the seconds charged, whatever beats are missed, late or delivered twice. # 421, 424, 456"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.usage import metering
from gpubroker.usage.aggregation import HourKey
from gpubroker.usage.event import METRICS, UNIT, Usage
from gpubroker.usage.hour import Stored
from gpubroker.usage.metering import SETTLE_MS, SLOT_MS, Cursor, Metering
from gpubroker.usage.ports import Running, Stretch
from tests.unit.usage.folding import NOON, Kept, records, take

GPU = METRICS.index("gpu_seconds")


class World:
    """A cursor and a stream in this process; `running` is what the rentals say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = NOON
        self.running: list[Running] = []
        self.cursor: Cursor | None = None
        self.sent: list[Usage] = []
        self.beats: list[int] = []
        self.kept = Kept()
        monkeypatch.setattr(metering, "read_cursor", lambda: self.cursor)
        monkeypatch.setattr(metering, "move_cursor", self._move)
        self.metering = Metering(self, self, lambda: self.now_ms)

    def _move(self, before: Cursor, after: Cursor) -> bool:
        self.cursor = after
        return True

    def instances(self) -> Iterable[Running]:
        return [*self.running]

    def put(self, events: Sequence[Usage], received_ms: int) -> None:
        self.sent += events

    def beat(self, at_ms: int) -> None:
        self.beats.append(at_ms)

    def read(self, keys: Iterable[HourKey]) -> Mapping[HourKey, Stored]:
        return self.kept.read(keys)

    def at(self, seconds: float) -> dict[str, int]:
        self.now_ms = NOON + int(seconds * 1000)
        return self.metering.beat()

    def counted(self) -> int:
        """Seconds of a GPU that were counted of all that was sent."""
        if self.sent:
            account = take(self.kept, records(self.sent, received_ms=max(self.now_ms, NOON)))
            assert account.conflicts == 0
        told = sum(sums[""][2][GPU] for sums in self.kept.totals().values())
        assert told % UNIT == 0
        return int(told // UNIT)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def box(*stretches: tuple[int, int | None], gpus: int = 1, name: str = "ren_1.m1") -> Running:
    made = [Stretch(NOON + since * 1000, None if until is None else NOON + until * 1000) for since, until in stretches]
    return Running(name, "usr_1", None, gpus, tuple(made))


def test_each_slot_of_the_clock_is_an_event_and_the_first_and_last_are_parts(world: World) -> None:
    world.at(0)
    world.running = [box((7, None), gpus=8)]
    world.at(60)
    world.at(90)
    world.running = [box((7, 80), gpus=8)]
    world.at(120)
    spans = [(event.start_ms - NOON, event.length_ms) for event in world.sent]
    assert spans == [(7_000, 23_000), (30_000, 30_000), (60_000, 20_000)]
    assert [event.metrics[GPU] for event in world.sent] == [23 * 8 * UNIT, 30 * 8 * UNIT, 20 * 8 * UNIT]
    assert world.sent[0].metrics[:GPU] == (None,) * GPU, "what only the machine knows is not measured"


def test_a_second_delivery_of_a_beat_sends_nothing_new(world: World) -> None:
    world.at(0)
    world.running = [box((0, None))]
    world.at(60)
    before = world.cursor
    sent = len(world.sent)
    world.at(61)
    assert len(world.sent) == sent
    world.cursor = Cursor(NOON, frozenset())  # two at once: the other had not moved the cursor yet
    world.at(62)
    assert world.cursor == before
    assert world.counted() == 30


def test_a_slot_is_metered_when_who_ends_a_rental_in_it_has_said_so(world: World) -> None:
    world.at(0)
    world.running = [box((0, None))]
    world.at(30 + SETTLE_MS / 1000 - 1)
    assert world.sent == []
    world.at(30 + SETTLE_MS / 1000)
    assert len(world.sent) == 1


def test_what_missed_beats_left_out_is_made_up_bit_by_bit(world: World) -> None:
    world.at(0)
    world.running = [box((0, None))]
    told = world.at(2 * 3600 + 20)
    assert told["behind_ms"] > 0
    while told["behind_ms"]:
        told = world.at(2 * 3600 + 20)
    assert world.counted() == 2 * 3600
    assert world.beats == sorted(world.beats), "what is complete is never told to be more than it is"
    assert world.beats[-1] == NOON + 7200_000


def test_an_instance_that_was_not_seen_at_first_is_metered_from_its_beginning(world: World) -> None:
    """The index may lag, and a whole operation ends before its members are shown."""
    world.at(0)
    for moment in (60, 90, 120):
        world.at(moment)
    world.running = [box((5, None))]
    world.at(150)
    assert world.counted() == 115


def test_another_term_is_another_stretch_and_no_second_is_metered_twice(world: World) -> None:
    world.at(0)
    world.running = [box((0, 70))]  # the term ends at 70 and is not renewed yet
    world.at(120)
    world.running = [box((0, 70), (70, None))]
    world.at(150)
    assert world.counted() == 120


def test_what_no_beat_saw_is_made_up_when_the_rental_has_ended(world: World) -> None:
    world.at(0)
    world.running = [box((3, None))]
    world.at(60)
    world.running = []
    world.at(300)
    ended = [box((3, 200)), box((10, 20), name="ren_1.m2", gpus=2)]
    assert world.counted() == 27
    world.sent.clear()
    assert world.metering.rest_of(ended, world) > 0
    assert world.counted() == 197 + 20
    world.sent.clear()
    assert world.metering.rest_of(ended, world) == 0
    assert world.sent == []


def as_seen(whole: Running, moment: int) -> list[Running]:
    """What the rentals say at a moment of what the whole will have been: its last stretch is open while it goes on."""
    now_ms = NOON + moment * 1000
    begun = [stretch for stretch in whole.stretches if stretch.since_ms <= now_ms]
    seen = [
        stretch if stretch.until_ms is not None and stretch.until_ms <= now_ms else Stretch(stretch.since_ms, None)
        for stretch in begun
    ]
    return [replace(whole, stretches=tuple(seen))] if seen else []


@given(
    since=st.integers(-50, 400),
    length=st.integers(0, 5000),
    gpus=st.integers(1, 8),
    beats=st.lists(st.integers(0, 7000), max_size=12),
    cuts=st.lists(st.integers(1, 4999), max_size=3, unique=True),
)
@settings(max_examples=150, deadline=None)
def test_metered_is_charged(since: int, length: int, gpus: int, beats: list[int], cuts: list[int]) -> None:
    """Any charge in any stretches, any beats, then its end."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch)
        world.at(0)
        until = since + length
        edges = [since, *sorted(since + cut for cut in cuts if cut < length), until]
        whole = box(*pairwise(edges), gpus=gpus)
        for moment in sorted(beats):
            world.running = as_seen(whole, moment) if moment <= until + 120 else []
            world.at(moment)
        world.counted()
        world.sent.clear()
        world.now_ms = NOON + 8_000_000
        world.metering.rest_of([whole], world)
        assert world.counted() == length * gpus


def test_slots_are_those_of_the_clock() -> None:
    assert SLOT_MS == 30_000
    assert metering.slot_of(NOON + 45_000) == NOON + 30_000
