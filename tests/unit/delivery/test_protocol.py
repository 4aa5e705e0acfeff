"""What clients say over a WebSocket, and what they are answered."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.delivery.limits import LARGEST_MESSAGE_BYTES
from gpubroker.delivery.sockets import protocol
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Invalid, Malformed, Problem, TooLarge


def test_a_message_is_read_with_its_ref_and_fields():
    said = protocol.read('{"type": "subscribe", "channel": "gpu:A100", "ref": "7"}')  # R11.4, J2.3 (240, 269)
    assert (said.type, said.ref, protocol.channel_of(said)) == ("subscribe", "7", "gpu:A100")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Malformed),
        ("{", Malformed),
        ("[1]", Malformed),
        ('"subscribe"', Malformed),
        ('{"type": NaN}', Malformed),
        ("[" * 2000, Malformed),
        ("{}", Invalid),
        ('{"type": 5}', Invalid),
        ('{"type": "nope"}', protocol.UnknownType),
        ('{"type": "ping", "ref": 5}', Invalid),
        ('{"type": "ping", "ref": "' + "x" * 65 + '"}', Invalid),
        (json.dumps({"type": "ping", "x": "y" * LARGEST_MESSAGE_BYTES}), TooLarge),
        ('{"type": "ping", "x": "' + "é" * (LARGEST_MESSAGE_BYTES // 2) + '"}', TooLarge),
    ],
)
def test_what_is_wrong_is_a_problem(text, kind):
    with pytest.raises(kind):
        protocol.read(text)


@given(st.text(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "ref", "channel"]), inner),
       max_leaves=8).map(json.dumps))  # fmt: skip
def test_nothing_that_a_client_sends_is_more_than_a_problem(text):
    try:
        said = protocol.read(text)
    except Problem as problem:
        told = protocol.error(problem, protocol.ref_of(text))
        assert told["type"] == "error"
        assert told["code"]
        return
    for reading in (protocol.channel_of, protocol.last_sequence_of, protocol.filters_of):
        with contextlib.suppress(Problem):
            reading(said)


@pytest.mark.parametrize("wrong", [None, True, -1, 1.5, "7", 2**53])
def test_a_last_sequence_is_a_whole_number(wrong):
    with pytest.raises(Invalid, match="last_sequence"):
        protocol.last_sequence_of(protocol.Said("resume", fields={"last_sequence": wrong}))


def test_filters_stand_in_an_object_or_beside_the_type():
    beside = protocol.read('{"type": "get_offers", "gpu": "A100", "filters": {"max_price": 2}}')
    assert protocol.filters_of(beside) == {"gpu": "A100", "max_price": 2}


def test_the_greeting_says_what_may_be_subscribed_to():  # R11.5 (241)
    anonymous = protocol.greeting("c1", Caller(Role.ANONYMOUS), ["gpu:A100"], 41)
    assert {"price_updates", "health_status", "availability", "provider:{name}", "gpu:{type}", "region:{name}"} == set(
        anonymous["subscriptions"]
    )
    assert (anonymous["type"], anonymous["status"], anonymous["sequence"]) == ("connection", "connected", 41)
    assert anonymous["subscribed"] == ["gpu:A100"]
    pro = protocol.greeting("c1", Caller(Role.USER, subject="u", tenant="u", plan=Plan.PRO), [], 0)
    assert {"rental:{id}", "alerts"} <= set(pro["subscriptions"])
    assert pro["limits"]["messages_per_second"] == 100  # 268


def test_an_error_repeats_the_ref_and_names_the_fields():
    told = protocol.error(Invalid.of("channel", "is required"), "7")
    assert told == {
        "type": "error",
        "code": "invalid-request",
        "message": "channel: is required",
        "errors": [{"field": "channel", "message": "is required"}],
        "ref": "7",
    }


@given(st.lists(st.integers(2, 40_000).map(lambda size: json.dumps("x" * (size - 2))), max_size=20))
def test_batches_hold_every_message_in_order_and_stay_small(texts):
    read: list[str] = []
    for frame in protocol.frames(texts, batched=True):
        told = json.loads(frame)
        some = told["messages"] if isinstance(told, dict) else [told]
        assert len(some) == 1 or len(frame) <= 32 * 1024
        read += some
    assert read == [json.loads(text) for text in texts]
    assert protocol.frames(texts, batched=False) == texts
