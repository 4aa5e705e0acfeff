"""Server-sent events: an EventSource sees everything once and in order; tickets, sessions. # R14.3 (258), 278, 338"""

import json

import pytest

from gpubroker.delivery.public_log import PublicLog
from gpubroker.delivery.requests import StreamFields
from gpubroker.delivery.sse.frames import CONTENT_TYPE
from gpubroker.delivery.sse.stream import Streams
from gpubroker.delivery.sse.tickets import SESSION_SECONDS, TICKET_SECONDS, Tickets
from gpubroker.kernel.errors import Invalid, TooManyRequests, Unauthenticated, Unavailable
from tests.integration.delivery.conftest import ADA, ANYBODY, START, Catalogue
from tests.unit.delivery.event_source import EventSource, Reply
from tests.unit.delivery.facts import availability_changed, health_changed, prices_updated, update

StreamFields.model_rebuild()


class House:
    """The stream as a browser meets it."""

    def __init__(self) -> None:
        self.now = START
        self.held: list[str] = []
        self.full = False
        self.log = PublicLog(clock=lambda: self.now)
        self.tickets = Tickets(clock=lambda: self.now)
        self.streams = Streams(log=self.log, tickets=self.tickets, catalogue=Catalogue(), hold=self._hold)

    def _hold(self, caller) -> None:
        self.held.append(caller.subject)
        if self.full:
            raise TooManyRequests("too fast")

    def tell(self, event) -> None:
        from gpubroker.delivery.messages import public_messages

        self.log.append(event["detail"]["event_id"], public_messages(event["detail-type"], event["detail"]))

    def browser(self, ticket: str, **query) -> EventSource:
        wanted = StreamFields(ticket=ticket, **query)

        def ask(last_event_id: str) -> Reply:
            try:
                text = self.streams.read(ANYBODY, wanted, last_event_id or None).text
            except Unauthenticated:
                return Reply(401, "application/problem+json", "")
            return Reply(204, "", "") if text is None else Reply(200, CONTENT_TYPE, text)

        return EventSource(ask)


@pytest.fixture
def house(table) -> House:
    return House()


def seen(source: EventSource) -> list[int]:
    return [json.loads(event.data)["sequence"] for event in source.events]


def test_an_event_source_left_alone_sees_everything_once_and_in_order(house):
    house.tell(prices_updated(event_id="before"))
    source = house.browser(house.tickets.sell(ADA))
    source.connect()
    assert source.events == [], "it begins with what comes from now on"
    for minute in range(20):
        house.tell(prices_updated(update("a"), update("b"), event_id=f"evt_{minute}"))
        if minute % 3:
            source.connect()
        house.now += 60
    source.connect()
    source.connect()
    assert seen(source) == list(range(2, 42))
    assert source.retry_ms == 2000


def test_a_break_in_the_middle_of_an_answer_loses_and_repeats_nothing(house):
    source = house.browser(house.tickets.sell(ADA))
    source.connect()
    for number in range(9):
        house.tell(prices_updated(event_id=f"evt_{number}"))
    whole = source.ask
    for at in (90, 700, 1200):

        def broken(last_event_id: str, at: int = at) -> Reply:
            reply = whole(last_event_id)
            return Reply(reply.status, reply.content_type, reply.text[:at])

        source.ask = broken
        source.connect()
    source.ask = whole
    source.connect()
    assert seen(source) == list(range(1, 10))


def test_a_network_that_fails_and_an_answer_that_is_lost_are_no_end(house):
    source = house.browser(house.tickets.sell(ADA))
    whole = source.ask

    def lost(last_event_id: str) -> None:
        whole(last_event_id)

    source.ask = lost  # the first answer, with the session in it, never arrives
    source.connect()
    source.ask = whole
    source.connect()
    house.tell(prices_updated())
    source.ask = lost
    source.connect()
    source.ask = whole
    source.connect()
    assert seen(source) == [1]


def test_a_ticket_is_good_for_one_client(house):
    ticket = house.tickets.sell(ADA)
    mine, thief = house.browser(ticket), house.browser(ticket)
    mine.connect()
    mine.connect()
    thief.connect()
    assert thief.closed
    house.tell(prices_updated())
    mine.connect()
    assert seen(mine) == [1]


def test_of_two_that_use_a_ticket_at_first_one_remains(house):
    ticket = house.tickets.sell(ADA)
    first, second = house.browser(ticket), house.browser(ticket)
    first.connect()
    second.connect()
    second.connect()
    first.connect()
    assert first.closed
    assert not second.closed


def test_a_ticket_lives_a_minute_and_a_session_an_hour(house):
    late = house.browser(house.tickets.sell(ADA))
    source = house.browser(house.tickets.sell(ADA))
    source.connect()
    house.now += TICKET_SECONDS
    late.connect()
    assert late.closed
    source.connect()
    assert not source.closed
    house.now += SESSION_SECONDS
    source.connect()
    assert source.closed, "204: the browser does not come back"


@pytest.mark.parametrize("made_up", ["x" * 24, "'; DROP TABLE", "\udcff" * 20])
def test_a_ticket_of_nobody_is_refused(house, made_up):
    with pytest.raises(Unauthenticated):
        house.tickets.session(made_up, None)
    with pytest.raises(Unauthenticated):
        house.tickets.session(house.tickets.sell(ADA), "guess.1")


def test_a_page_that_bought_another_ticket_goes_on_where_it_was(house):
    house.tell(prices_updated(update("a"), update("b")))
    source = house.browser(house.tickets.sell(ADA), last_sequence=1)
    source.connect()
    assert seen(source) == [2]


def test_filters_leave_out_and_the_place_moves_on(house):
    house.tell(prices_updated(update("a"), update("b", gpu_type="A100", region="eu-west")))
    house.tell(health_changed("runpod"))
    house.tell(availability_changed())

    def read(**query) -> list[int]:
        source = house.browser(house.tickets.sell(ADA), last_sequence=0, **query)
        source.connect()
        assert source.last_event_id.endswith(".4")
        return seen(source)

    assert read() == [1, 2, 3, 4]
    assert read(gpu=("a100",)) == [2]
    assert read(region=("us",)) == [1]
    assert read(provider=("runpod",)) == [3]
    assert read(channel=("availability", "health_status")) == [3, 4]
    for wrong in ({"provider": ("nobody",)}, {"region": ("moon",)}, {"channel": ("gpu:A100",)}):
        with pytest.raises(Invalid):
            house.streams.read(ADA, StreamFields(**wrong), None)


def test_credentials_work_without_a_ticket_and_nobody_without_either(house):
    house.tell(prices_updated())
    text = house.streams.read(ADA, StreamFields(), "0").text
    assert "id: 1\n" in text
    assert house.held == ["usr_ada"]
    with pytest.raises(Unauthenticated):
        house.streams.read(ANYBODY, StreamFields(), None)
    with pytest.raises(Invalid, match="Last-Event-ID"):
        house.streams.read(ADA, StreamFields(), "nonsense")


def test_trouble_that_passes_does_not_end_an_event_source(house, monkeypatch):
    source = house.browser(house.tickets.sell(ADA))
    house.full = True
    source.connect()
    house.full = False
    source.connect()
    house.tell(prices_updated())
    house.full = True
    source.connect()
    assert source.retry_ms == 10_000
    house.full = False

    def away(sequence):
        raise Unavailable("the table throttles")

    with monkeypatch.context() as patch:
        patch.setattr(house.log, "since", away)
        source.connect()
    source.connect()
    assert seen(source) == [1]
    house.full = True
    with pytest.raises(TooManyRequests):
        house.streams.read(ADA, StreamFields(), "1")


def test_a_gap_is_told(house):
    source = house.browser(house.tickets.sell(ADA))
    source.connect()
    house.tell(prices_updated(event_id="evt_1"))
    house.now += 3599  # the session is just alive
    house.tell(prices_updated(event_id="evt_2"))
    house.log._clock = lambda: house.now + 10
    source.connect()
    assert [json.loads(event.data)["type"] for event in source.events] == ["gap", "price_update"]


def test_more_than_one_answer_takes_is_read_at_once(house):
    source = house.browser(house.tickets.sell(ADA))
    source.connect()
    for number in range(11):
        house.tell(prices_updated(*(update(str(n)) for n in range(100)), event_id=f"evt_{number}"))
    source.connect()
    assert source.retry_ms == 50
    source.connect()
    assert source.retry_ms == 2000
    assert seen(source) == list(range(1, 1101))
