"""A WebSocket from its handshake to its end, over DeliveryTable."""

import json
from dataclasses import replace

import pytest

from gpubroker.delivery.channels import NoSuchChannel
from gpubroker.delivery.limits import CONNECTION_SECONDS, SOCKETS
from gpubroker.delivery.sockets.connections import TooManyConnections, TooManySubscriptions
from gpubroker.delivery.sockets.sweep import Sweep
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Forbidden, Invalid, NotFound, Unauthenticated
from tests.integration.delivery.conftest import ADA, ANYBODY, BOB, START, keys_of
from tests.unit.delivery.facts import health_changed, prices_updated, update


def test_anybody_may_connect_and_is_greeted_after_the_handshake(sockets):  # R11.5, 351 (241)
    sockets.connect("c1")
    assert sockets.greeted == ["c1"]
    assert sockets.got("c1") == [], "nothing can be posted before $connect has returned"
    assert sockets.greeter.greet("c1")
    (greeting,) = sockets.got("c1")
    assert (greeting["type"], greeting["status"], greeting["plan"]) == ("connection", "connected", "free")


def test_a_client_that_gave_up_before_its_greeting_leaves_nothing(sockets, table):
    sockets.connect("c1", channels="gpu:a100")
    del sockets.gateway.got["c1"]
    sockets.greeter._poster = type(sockets.poster)(sockets.gateway, clock=iter(range(1000)).__next__, sleep=lambda s: 0)
    assert not sockets.greeter.greet("c1")
    assert keys_of(table) == {"ADDRESS"}
    assert not sockets.greeter.greet("c1")


def test_a_greeting_that_cannot_be_asked_for_refuses_the_handshake_and_leaves_nothing(sockets, table):
    def broken(connection_id):
        raise ConnectionError("Lambda is away")

    sockets.reception._greet = broken
    with pytest.raises(ConnectionError):
        sockets.connect("c1", ADA)
    assert keys_of(table) == {"usr_ada"}
    assert int(table.scan()["Items"][0]["open"]) == 0


@pytest.mark.parametrize(
    ("path", "subscribed"),
    [
        ("/ws/providers/", []),
        ("/ws/providers", []),
        ("/ws/providers/vastai/", ["provider:vastai"]),  # 352
        ("/ws/rentals/ren_1/", ["rental:ren_1"]),  # 353
        ("/ws/agents/agt_1/", ["agent:agt_1"]),  # 354
    ],
)
def test_a_path_subscribes_to_what_it_names(sockets, path, subscribed):
    sockets.connect("c1", ADA, path=path)
    sockets.greeter.greet("c1")
    assert sockets.got("c1")[0]["subscribed"] == subscribed


@pytest.mark.parametrize(
    ("path", "caller", "error"),
    [
        ("/ws/rentals/ren_1/", ANYBODY, Unauthenticated),
        ("/ws/agents/agt_1/", ANYBODY, Unauthenticated),
        ("/ws/rentals/ren_1/", BOB, NoSuchChannel),  # 355
        ("/ws/agents/agt_1/", BOB, NoSuchChannel),
        ("/ws/rentals/ren_1/", replace(ADA, scopes=frozenset({"offers:read"})), Forbidden),
        ("/ws/providers/nobody/", ADA, NoSuchChannel),
        ("/ws/", ADA, NotFound),
        ("/ws/providers/a/b", ADA, NotFound),
    ],
)
def test_only_who_may_is_connected(sockets, table, path, caller, error):
    with pytest.raises(error):
        sockets.connect("c1", caller, path=path)
    assert keys_of(table) == set()


def test_an_agent_may_listen_to_itself(sockets):
    agent = replace(ADA, role=Role.AGENT, subject="agt_7")
    sockets.connect("c1", agent, path="/ws/agents/agt_7/")
    with pytest.raises(NoSuchChannel):
        sockets.connect("c2", replace(agent, subject="agt_8", tenant="usr_bob"), path="/ws/agents/agt_7/")


@pytest.mark.parametrize("query", [{"batch": "yes"}, {"last_sequence": "-1"}, {"last_sequence": "x"}])
def test_a_query_that_makes_no_sense_refuses_the_handshake(sockets, query):
    with pytest.raises(Invalid):
        sockets.connect("c1", **query)


def test_subscribing_answering_and_leaving(sockets, table):  # R11.3, R11.4, R11.7, J2.3 (239, 240, 243, 269)
    sockets.connect("c1")
    assert sockets.say("c1", type="subscribe", channel="gpu:h100", ref="a") == [
        {"type": "subscribed", "channel": "gpu:H100", "sequence": 0, "ref": "a"}
    ]
    sockets.fan_out.fact(prices_updated())
    (told,) = sockets.got("c1")
    assert (told["type"], told["provider"], told["sequence"]) == ("price_update", "vastai", 1)
    assert sockets.say("c1", type="unsubscribe", channel="gpu:H100")[0]["type"] == "unsubscribed"
    sockets.fan_out.fact(prices_updated(event_id="evt_2"))
    assert sockets.got("c1") == []
    sockets.say("c1", type="subscribe", channel="price_updates")
    assert sockets.connections.remove("c1")
    assert not sockets.connections.remove("c1"), "a second $disconnect is harmless"
    assert keys_of(table) == {"ADDRESS", "STREAM"}


def test_subscribing_twice_is_once_and_leaving_what_one_never_listened_to_is_nothing(sockets):
    sockets.connect("c1")
    for _ in range(2):
        sockets.say("c1", type="subscribe", channel="gpu:H100")
    sockets.say("c1", type="unsubscribe", channel="gpu:A100")
    assert sockets.connections.get("c1").channels == {"gpu:H100"}


def test_one_message_however_many_of_its_channels_one_listens_to(sockets):
    sockets.connect("c1", ADA, channels="price_updates, gpu:H100,provider:vastai,region:us,region:us-east")
    sockets.fan_out.fact(prices_updated(update("a"), update("b", gpu_type="A100")))
    assert [told["offer_id"] for told in sockets.got("c1")] == ["a", "b"]


def test_each_gets_what_it_listens_to_and_batches_where_it_asked_for_them(sockets):
    sockets.connect("a100", channels="gpu:A100")
    sockets.connect("eu", channels="region:eu-west")
    sockets.connect("all", channels="price_updates", batch="true")
    sockets.connect("health", channels="health_status")
    sockets.fan_out.fact(
        prices_updated(update("a", gpu_type="A100"), update("b"), update("c", gpu_type="A100", region="eu-west"))
    )
    assert [told["offer_id"] for told in sockets.got("a100")] == ["a", "c"]
    assert [told["offer_id"] for told in sockets.got("eu")] == ["c"]
    (batch,) = sockets.got("all")
    assert [told["sequence"] for told in batch["messages"]] == [1, 2, 3]
    assert sockets.got("health") == []
    sockets.fan_out.fact(health_changed())
    assert [told["sequence"] for told in sockets.got("health")] == [4]


def test_ping_is_answered(sockets):  # R11.6 (242)
    sockets.connect("c1")
    assert sockets.say("c1", type="ping") == [{"type": "pong"}]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "nope"}, "unknown-message-type"),
        ({"type": "subscribe"}, "invalid-request"),
        ({"type": "subscribe", "channel": "moon"}, "channel-not-found"),
        ({"type": "subscribe", "channel": "rental:ren_1"}, "channel-not-found"),  # Bob asks for Ada's
        ({"type": "subscribe", "channel": "provider:nobody"}, "channel-not-found"),
        ({"type": "get_offers", "nope": 1}, "invalid-request"),
        ({"type": "get_offers", "words": 200_000}, "too-large"),
        ({"type": "resume"}, "invalid-request"),
    ],
)
def test_what_is_wrong_is_told_and_the_connection_stays(sockets, message, code):
    sockets.connect("c1", BOB)
    (told,) = sockets.say("c1", **message, ref="r")
    assert (told["type"], told["code"], told["ref"]) == ("error", code, "r")
    assert sockets.say("c1", type="ping") == [{"type": "pong"}]


def test_a_private_channel_needs_credentials(sockets):
    sockets.connect("c1")
    assert sockets.say("c1", type="subscribe", channel="alerts")[0]["code"] == "unauthenticated"


def test_offers_and_providers_can_be_asked_for(sockets):
    sockets.connect("c1")
    assert sockets.say("c1", type="get_providers", ref="1")[0]["type"] == "providers"
    assert sockets.say("c1", type="get_offers", filters={"gpu": "A100"})[0]["total"] == 1


def test_the_owner_of_a_rental_hears_how_it_stands_and_nobody_else(sockets):  # J4.5, 355 (287)
    from tests.unit.delivery.facts import rental_event

    sockets.connect("ada", ADA)
    subscribed, stands = sockets.say("ada", type="subscribe", channel="rental:ren_1")
    assert subscribed["type"] == "subscribed"
    assert (stands["type"], stands["status"], stands["health"]) == ("rental_status", "ready", "healthy")
    sockets.connect("bob", BOB, channels="alerts")
    sockets.fan_out.fact(rental_event())
    (told,) = sockets.got("ada")
    assert (told["type"], told["rental_id"], told["event"]) == ("rental_status", "ren_1", "RentalReady")
    assert sockets.got("bob") == []


def test_alerts_reach_their_owner_alone(sockets):  # J2.7 (273)
    from tests.unit.delivery.facts import alert_triggered

    sockets.connect("ada", ADA, channels="alerts")
    sockets.connect("agent", ADA, path="/ws/agents/agt_1/")
    sockets.connect("bob", BOB, channels="alerts")
    sockets.fan_out.fact(alert_triggered(user="agt_1"))
    assert [told["type"] for told in sockets.got("ada")] == ["price_alert"]
    assert [told["type"] for told in sockets.got("agent")] == ["price_alert"]
    assert sockets.got("bob") == []


def test_a_tenant_has_so_many_connections_and_no_more(sockets, table, monkeypatch):
    monkeypatch.setitem(SOCKETS, Plan.FREE, replace(SOCKETS[Plan.FREE], connections=2))
    for name in ("c1", "c2"):
        sockets.connect(name)
    with pytest.raises(TooManyConnections):
        sockets.connect("c3")
    sockets.connect("other", replace(ANYBODY, address="203.0.113.8"))
    sockets.connections.remove("c1")
    sockets.connect("c4")


def test_a_connection_has_so_many_subscriptions_and_no_more(sockets):
    sockets.connect("c1")
    for number in range(SOCKETS[Plan.FREE].subscriptions):
        sockets.say("c1", type="subscribe", channel=f"gpu:G{number}")
    sockets.now[0] += 2
    assert sockets.say("c1", type="subscribe", channel="gpu:MORE")[0]["code"] == "too-many-subscriptions"
    assert sockets.say("c1", type="subscribe", channel="gpu:G1")[0]["type"] == "subscribed", "it is one of them"
    with pytest.raises(TooManySubscriptions):
        sockets.connect("c2", channels=",".join(f"gpu:G{number}" for number in range(11)))


def test_talking_faster_than_the_plan_allows_is_refused_and_going_on_ends_it(sockets, monkeypatch):
    monkeypatch.setattr("gpubroker.delivery.sockets.desk.MOST_REFUSALS", 10)
    limit = SOCKETS[Plan.FREE].messages
    sockets.connect("c1")
    answers = [sockets.say("c1", type="ping")[0]["type"] for _ in range(limit + 3)]
    assert answers == ["pong"] * limit + ["error"] * 3
    sockets.now[0] += 0.1
    assert [sockets.say("c1", type="ping")[0]["type"] for _ in range(2)] == ["pong", "error"]
    sockets.now[0] += 5
    assert [sockets.say("c1", type="ping")[0]["type"] for _ in range(limit + 1)] == ["pong"] * limit + ["error"]
    for _ in range(6):  # five were refused above: this is the eleventh
        assert sockets.gateway.closed == []
        sockets.say("c1", type="ping")
    assert sockets.gateway.closed == ["c1"]
    assert sockets.connections.get("c1") is None


def test_a_message_of_a_connection_that_we_do_not_know_closes_it(sockets):
    sockets.gateway.got["ghost"] = []
    assert sockets.conversation.hear("ghost", '{"type": "ping"}') == "gone"
    assert sockets.gateway.closed == ["ghost"]


def test_the_dead_are_removed_when_a_message_finds_them(sockets, table):  # R11.7 (243)
    sockets.connect("dead", ADA, channels="price_updates,gpu:H100")
    sockets.connect("live", ADA, channels="price_updates")
    del sockets.gateway.got["dead"]
    sockets.fan_out.fact(prices_updated())
    assert len(sockets.got("live")) == 1
    assert sockets.connections.get("dead") is None
    assert sockets.counts[-1].gone == 1
    subscribers = [item["sk"] for item in table.scan()["Items"] if item["pk"].startswith("CHANNEL#")]
    assert subscribers == ["live"]
    (open_item,) = (item for item in table.scan()["Items"] if item["sk"] == "OPEN")
    assert int(open_item["open"]) == 1


def test_the_sweep_removes_what_must_have_ended_and_nothing_else(sockets, table):
    sockets.connect("old", ADA, channels="price_updates")
    sweep = Sweep(connections=sockets.connections, clock=lambda: sockets.now[0])
    sockets.now[0] += 3600
    sockets.connect("young", ADA)
    assert sweep.run() == 0
    sockets.now[0] = START + CONNECTION_SECONDS + 1500
    assert sweep.run() == 1
    assert sweep.run() == 0
    assert sockets.connections.get("old") is None
    assert sockets.connections.get("young") is not None
    sockets.now[0] += 30 * 86400
    assert sweep.run() == 1, "however long it did not run"


def test_an_expired_subscription_hears_nothing_whether_or_not_it_was_swept(sockets):
    sockets.connect("old", channels="price_updates")
    sockets.now[0] += CONNECTION_SECONDS + 600
    sockets.fan_out.fact(prices_updated())
    assert sockets.got("old") == []


def test_a_reconnect_gets_what_it_missed_in_order_and_once(sockets):
    sockets.fan_out.fact(prices_updated(update("a"), update("b", gpu_type="A100"), event_id="evt_1"))
    sockets.fan_out.fact(health_changed())
    sockets.fan_out.fact(prices_updated(update("c"), event_id="evt_3"))
    sockets.connect("c1", channels="gpu:H100", last_sequence="1")
    sockets.greeter.greet("c1")
    greeting, missed, resumed = sockets.got("c1")
    assert greeting["sequence"] == 4
    assert (missed["offer_id"], missed["sequence"]) == ("c", 4)
    assert resumed == {"type": "resumed", "sequence": 4, "messages": 1, "more": False}
    sockets.connect("c2")
    sockets.say("c2", type="subscribe", channel="price_updates")
    told = sockets.say("c2", type="resume", last_sequence=0, ref="r")
    assert [one.get("sequence") for one in told] == [1, 2, 4, 4]
    assert told[-1] == {"type": "resumed", "sequence": 4, "messages": 3, "more": False, "ref": "r"}


def test_what_is_not_kept_any_more_is_a_gap(sockets):
    sockets.fan_out.fact(prices_updated(event_id="evt_1"))
    sockets.now[0] += 3700
    sockets.fan_out.fact(prices_updated(event_id="evt_2"))
    sockets.connect("c1", channels="price_updates")
    told = sockets.say("c1", type="resume", last_sequence=0)
    assert [one["type"] for one in told] == ["gap", "price_update", "resumed"]
    told = sockets.say("c1", type="resume", last_sequence=99)
    assert [one["type"] for one in told] == ["gap", "resumed"], "a sequence of another log"


def test_a_fact_that_comes_twice_is_the_same_messages(sockets):
    sockets.connect("c1", channels="price_updates")
    for _ in range(2):
        sockets.fan_out.fact(prices_updated(update("a"), update("b")))
    told = sockets.got("c1")
    assert [(one["offer_id"], one["sequence"], one["event_id"]) for one in told[:2]] == [
        (one["offer_id"], one["sequence"], one["event_id"]) for one in told[2:]
    ]
    assert sockets.log.head() == 2


def test_a_large_audience_is_shared_among_many_and_everybody_hears_once(sockets, monkeypatch):
    monkeypatch.setattr("gpubroker.delivery.sockets.fan_out.AT_ONCE", 10)
    names = [f"c{number}" for number in range(35)]
    for name in names:
        sockets.connect(name, ADA, channels="price_updates")
    sockets.fan_out.fact(prices_updated())
    assert all(sockets.got(name) == [] for name in names)
    assert len(sockets.queued) == 4
    for body, delay in sockets.queued:
        assert delay == 0
        sockets.fan_out.piece(body)
    assert [len(sockets.got(name)) for name in names] == [1] * 35


def test_who_could_not_be_reached_is_tried_again_a_few_times(sockets):
    from tests.unit.delivery.test_posting import refusal

    sockets.connect("c1", channels="price_updates")
    sockets.gateway.trouble["c1"] = [refusal("LimitExceededException", 429)] * 9
    sockets.fan_out.fact(prices_updated())
    delays = []
    while sockets.queued:
        body, delay = sockets.queued.pop()
        delays.append(delay)
        sockets.fan_out.piece(body)
    assert delays == [2, 8, 30]
    assert sockets.counts[-1].given_up == 1
    assert sockets.log.since(0).messages[0]["sequence"] == 1, "and it is still to be had by resuming"


def test_frames_are_json_that_any_client_reads(sockets):
    sockets.connect("c1", channels="price_updates")
    sockets.fan_out.fact(prices_updated(update("ü\u2028", region=None)))
    (frame,) = sockets.gateway.got["c1"]
    assert frame.isascii()
    assert json.loads(frame)["offer_id"] == "ü\u2028"
