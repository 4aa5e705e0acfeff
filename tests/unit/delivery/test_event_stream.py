"""`text/event-stream`, read back by the rules of WHATWG HTML §9.2.6."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.delivery.sse import frames
from tests.unit.delivery.event_source import Parser


def read(text: str) -> Parser:
    parser = Parser()
    parser.feed(text)
    return parser


@given(
    st.lists(st.integers(1, 9), max_size=20),
    st.text(max_size=30),
    st.integers(0, 5),
)
def test_every_message_is_read_back_once_in_order_with_its_id(steps, words, beyond):
    sequence, messages = 0, []
    for step in steps:
        sequence += step
        messages.append({"type": "price_update", "sequence": sequence, "words": words})
    position = sequence + beyond
    parser = read(frames.text(messages, prefix="s.", position=position, retry_ms=2000))
    assert [json.loads(event.data) for event in parser.events] == messages
    assert [event.last_event_id for event in parser.events] == [f"s.{message['sequence']}" for message in messages]
    assert all(event.type == "message" for event in parser.events), "onmessage gets them all"
    assert parser.last_event_id == f"s.{position}"
    assert parser.retry_ms == 2000


def test_an_answer_without_messages_moves_the_id_and_is_no_event():
    parser = read(frames.text([], prefix="s.", position=41, retry_ms=50))
    assert (parser.events, parser.last_event_id, parser.retry_ms) == ([], "s.41", 50)


def test_a_notice_comes_first():
    text = frames.text([{"sequence": 9}], prefix="", position=9, retry_ms=1, notices=[{"type": "gap", "sequence": 9}])
    assert [json.loads(event.data) for event in read(text).events] == [{"type": "gap", "sequence": 9}, {"sequence": 9}]
