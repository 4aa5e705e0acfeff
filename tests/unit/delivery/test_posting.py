"""Posting: a slow or a dead connection delays nobody, and nothing that was not posted is forgotten."""

import json
import threading

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.delivery.sockets.fan_out import AT_ONCE, Piece, cut
from gpubroker.delivery.sockets.posting import Delivery, NotPosted, Poster


def refusal(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PostToConnection")  # type: ignore[arg-type]


class Gateway:
    """Connections by name; what is in `trouble` is raised instead, as often as it says."""

    def __init__(self, *names: str) -> None:
        self.got: dict[str, list[str]] = {name: [] for name in names}
        self.trouble: dict[str, list[Exception]] = {}
        self.closed: list[str] = []
        self._lock = threading.Lock()

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803 - AWS's names
        with self._lock:
            if waiting := self.trouble.get(ConnectionId):
                raise waiting.pop(0)
            if ConnectionId not in self.got:
                raise refusal("GoneException", 410)
            self.got[ConnectionId].append(Data.decode())

    def delete_connection(self, *, ConnectionId: str) -> None:  # noqa: N803
        if ConnectionId not in self.got:
            raise refusal("GoneException", 410)
        self.closed.append(ConnectionId)


def test_everybody_gets_everything_once_and_in_order_and_the_dead_are_told_apart():
    gateway = Gateway("a", "b")
    outcome = Poster(gateway).post_all([Delivery(name, ("1", "2", "3")) for name in ("a", "dead", "b")])
    assert gateway.got == {"a": ["1", "2", "3"], "b": ["1", "2", "3"]}
    assert (outcome.posted, outcome.gone, outcome.failed) == (6, ["dead"], [])


@pytest.mark.parametrize(
    "trouble",
    [refusal("LimitExceededException", 429), refusal("InternalServerError", 500), ReadTimeoutError(endpoint_url="x")],
)
def test_what_failed_is_handed_back_from_where_it_failed(trouble):
    gateway = Gateway("a", "b")
    gateway.trouble["a"] = [trouble]
    poster = Poster(gateway)
    outcome = poster.post_all([Delivery("a", ("1", "2")), Delivery("b", ("1", "2"))])
    assert gateway.got == {"a": [], "b": ["1", "2"]}
    assert outcome.failed == [Delivery("a", ("1", "2"))]
    assert poster.post_all(outcome.failed).failed == []
    assert gateway.got["a"] == ["1", "2"]


def test_a_connection_that_hangs_delays_nobody_else():
    """The others are posted to while it hangs: it is let go only when they all have theirs."""
    others = [f"c{number}" for number in range(100)]
    gateway = Gateway("slow", *others)
    everybody_else = threading.Barrier(2, timeout=20)
    reached = 0
    plain = gateway.post_to_connection

    def post(*, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        nonlocal reached
        if ConnectionId == "slow":
            everybody_else.wait()
            raise ReadTimeoutError(endpoint_url="x")
        plain(ConnectionId=ConnectionId, Data=Data)
        with lock:
            reached += 1
            last = reached == len(others)
        if last:
            everybody_else.wait()

    lock = threading.Lock()
    gateway.post_to_connection = post  # type: ignore[method-assign]
    outcome = Poster(gateway).post_all([Delivery("slow", ("1",)), *(Delivery(name, ("1",)) for name in others)])
    assert outcome.failed == [Delivery("slow", ("1",))]
    assert outcome.posted == 100


def test_patience_ends_and_the_rest_is_handed_back():
    now = iter(range(0, 1000, 6))
    gateway = Gateway("a")
    outcome = Poster(gateway, clock=lambda: next(now), patience_s=15).post_all([Delivery("a", ("1", "2", "3", "4"))])
    assert gateway.got["a"] == ["1", "2"]
    assert outcome.failed == [Delivery("a", ("3", "4"))]


def test_a_greeting_waits_for_its_connection_and_gives_up_on_one_that_never_comes():
    gateway = Gateway("new")
    gateway.trouble["new"] = [refusal("GoneException", 410)] * 3
    slept: list[float] = []
    assert Poster(gateway, sleep=slept.append).post_to_new("new", "hello")
    assert gateway.got["new"] == ["hello"]
    assert len(slept) == 3
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    assert not Poster(gateway, clock=lambda: time[0], sleep=sleep).post_to_new("nobody", "hello", within_s=5)
    assert time[0] <= 5


def test_trouble_of_one_post_is_told_and_closing_twice_is_harmless():
    gateway = Gateway("a")
    gateway.trouble["a"] = [refusal("InternalServerError", 500)]
    with pytest.raises(NotPosted):
        Poster(gateway).post("a", "1")
    Poster(gateway).close("a")
    Poster(gateway).close("nobody")
    assert gateway.closed == ["a"]


FRAMES = st.sampled_from(["x" * 9, '"' * 50_000, "é" * 20_000])


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.lists(FRAMES, min_size=1, max_size=900)), max_size=6))
def test_pieces_hold_everything_and_fit_a_message_of_the_queue(wanted):
    deliveries = [Delivery(name, tuple(frames)) for name, frames in wanted]
    pieces = list(cut(deliveries))
    again = [Piece.from_json(piece.to_json()) for piece in pieces]
    assert again == pieces
    got: list[tuple[str, str]] = [(d.connection_id, f) for piece in pieces for d in piece.deliveries for f in d.frames]
    assert got == [(d.connection_id, f) for d in deliveries for f in d.frames]
    for piece in pieces:
        assert len(json.dumps(piece.to_json()).encode()) < 2 * 256 * 1024
        assert len(piece.to_json().encode()) < 256 * 1024
        assert sum(len(d.frames) for d in piece.deliveries) <= AT_ONCE
