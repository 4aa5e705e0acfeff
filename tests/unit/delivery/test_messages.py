"""Facts as subscribers read them, and the channels that they belong to."""

import pytest

from gpubroker.delivery import channels
from gpubroker.delivery.channels import NoSuchChannel
from gpubroker.delivery.messages import channels_of, private_message, public_messages
from tests.unit.delivery.facts import (
    alert_triggered,
    availability_changed,
    health_changed,
    prices_updated,
    rental_event,
    update,
)


def messages(event):
    return public_messages(event["detail-type"], event["detail"])


def test_a_price_update_has_the_seeds_shape():  # J1.4 (264), 321
    (told,) = messages(prices_updated())
    assert told["type"] == "price_update"
    assert (told["provider"], told["offer_id"], told["old_price"], told["new_price"]) == (
        "vastai",
        "vastai-1",
        2.0,
        1.85,
    )
    assert told["timestamp"] == "2026-05-24T10:00:00.000Z"
    assert told["offer_sequence"] == 7
    assert "sequence" not in told, "counted over all messages, by the log"


def test_a_batch_of_prices_is_a_message_each_in_its_order():
    told = messages(prices_updated(update("a"), update("b"), update("c")))
    assert [one["offer_id"] for one in told] == ["a", "b", "c"]


def test_a_message_belongs_to_its_kind_its_provider_its_gpu_and_its_regions():  # R11.4 (240)
    (price,) = messages(prices_updated())
    assert channels_of(price) == ("price_updates", "provider:vastai", "gpu:H100", "region:us-east", "region:us")
    (health,) = messages(health_changed())
    assert health["type"] == "health_status"
    assert health["status"] == "unhealthy"
    assert channels_of(health) == ("health_status", "provider:vastai")
    (gone,) = messages(availability_changed())
    assert (gone["type"], gone["was"], gone["availability"]) == ("availability", "available", "unlisted")
    assert channels_of(gone) == ("availability", "provider:vastai", "gpu:H100")


def test_a_region_that_is_a_whole_part_of_the_world_is_said_once():
    (price,) = messages(prices_updated(update(region="us")))
    assert channels_of(price)[3:] == ("region:us",)


def test_a_fact_that_nobody_listens_to_is_no_message():
    assert public_messages("UserRegistered", {}) == []
    assert private_message("UserRegistered", {}, None) is None


def test_a_rental_event_goes_to_its_tenant_with_status_health_and_utilisation():  # J4.5 (287)
    stands = {"status": "ready", "health": "healthy", "utilization": None, "members": []}
    event = rental_event()
    told = private_message(event["detail-type"], event["detail"], stands)
    assert told is not None
    assert (told.tenant, told.channels) == ("usr_ada", ("rental:ren_1",))
    assert told.body["type"] == "rental_status"
    assert (told.body["status"], told.body["health"], told.body["utilization"]) == ("ready", "healthy", None)
    assert told.body["event"] == "RentalReady"
    lost = private_message("RentalMemberLost", rental_event("RentalMemberLost")["detail"], None)
    assert lost is not None
    assert (lost.body["type"], lost.body["status"]) == ("rental_health", None), "what is not known is null"


def test_an_alert_goes_to_its_owner_and_only_where_a_websocket_was_asked_for():  # J2.7 (273)
    told = private_message("PriceAlertTriggered", alert_triggered(user="agt_1")["detail"], None)
    assert told is not None
    assert (told.tenant, told.channels) == ("usr_ada", ("alerts", "agent:agt_1"))
    assert told.body["type"] == "price_alert"
    assert told.body["offer"]["offer_id"] == "vastai-1"
    assert not {"tenant", "channels", "traceparent"} & set(told.body)
    assert private_message("PriceAlertTriggered", alert_triggered(channels=("email",))["detail"], None) is None


@pytest.mark.parametrize(
    ("text", "name", "public"),
    [
        ("price_updates", "price_updates", True),
        (" Health_Status ", "health_status", True),
        ("availability", "availability", True),
        ("gpu: RTX 4090", "gpu:RTX 4090", True),
        ("provider:vastai", "provider:vastai", True),
        ("region:us-east", "region:us-east", True),
        ("rental:ren_1", "rental:ren_1", False),
        ("alerts", "alerts", False),
    ],
)
def test_a_channel_is_read_as_it_is_written(text, name, public):
    channel = channels.parse(text)
    assert (channel.name, channel.public) == (name, public)


@pytest.mark.parametrize("text", ["", ":", "gpu", "gpu:", "price_updates:x", "alerts:usr_bob", "nope", "rental", "a:b"])
def test_what_is_no_channel_is_not_found(text):
    with pytest.raises(NoSuchChannel):
        channels.parse(text)


def test_the_subscribers_of_two_tenants_never_share_a_partition():
    assert channels.partitions("alerts", "usr_ada") == ["usr_ada#CHANNEL#alerts"]
    every = {key for name in ("price_updates", "gpu:A100") for key in channels.partitions(name, "")}
    assert channels.partition("price_updates", "", "c1") in every
    assert len(every) == channels.BROAD_SHARDS + 1
