"""From PricesUpdated to PriceAlertTriggered: once per crossing, whatever comes twice, together, or dies between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module

import botocore.client
import orjson
import pytest

from gpubroker.composition import alerts as composition
from gpubroker.kernel.time import iso
from gpubroker.prices.alerts.alert import Change
from gpubroker.prices.alerts.firing import AlertsNotFired
from gpubroker.prices.alerts.repository import Alerts
from gpubroker.prices.alerts.workflow import FEW
from tests.integration.prices.alerts.conftest import Api, message
from tests.unit.prices.alerts.making import an_update


def crossings(api: Api) -> list[tuple[str, int]]:
    return [(fact["data"]["offer"]["offer_id"], fact["data"]["crossing"]) for fact in api.facts()]


def test_a_price_that_falls_to_the_threshold_fires_the_alert(api: Api) -> None:  # R13.5 (254)
    alert = api.alert(region="us", spot=False)
    api.fall(2_000_000, 1_500_000, region="us-west", gpu_count=4)
    (fact,) = api.facts()
    assert fact["type"] == "PriceAlertTriggered"
    assert fact["data"] == {
        "alert_id": alert["alert_id"],
        "user_id": "usr_ada",
        "tenant": "usr_ada",
        "channels": ["websocket", "email", "push", "inbox", "webhook"],
        "gpu_type": "A100",
        "region": "us",
        "provider": None,
        "max_price": 1.5,
        "spot": False,
        "offer": {
            "offer_id": "vastai-x",
            "provider": "vastai",
            "price": 1.5,
            "price_micros": 1_500_000,
            "gpu_type": "A100",
            "gpu_count": 4,
            "region": "us-west",
            "spot": False,
        },
        "triggered_at": iso(api.clock.now),
        "crossing": 1,
    }
    seen = api("get_alert", "ada", path={"alert_id": alert["alert_id"]}).json
    assert (seen["crossings"], seen["last_trigger"]["offer_id"]) == (1, "vastai-x")


def test_nothing_is_started_where_nothing_fires(api: Api) -> None:
    api.alert()
    api.fall(2_000_000, 1_600_000, event_id="evt_1")
    api.fall(1_400_000, 2_000_000, event_id="evt_2")
    api.fall(2_000_000, 1_400_000, gpu_type="H100", event_id="evt_3")
    assert api.executions == {}


def test_the_same_event_twice_starts_one_workflow_and_the_same_page_twice_fires_once(api: Api) -> None:
    api.alert()
    update = api.fall()
    assert api.updated(update) == []
    assert len(api.executions) == 1
    api.fire(api.executions["evt_1"])
    assert crossings(api) == [("vastai-x", 1)]


def test_two_shards_that_bring_two_offers_at_once_fire_once(api: Api) -> None:
    alert = api.alert(cooldown_seconds=0)
    api.market.sell("vastai-x", 1_400_000)
    api.market.sell("runpod-y", 1_300_000)
    firing = composition.alert_firing()
    changes = [
        Change.of(an_update(2_000_000, 1_400_000, at=api.clock.now)),
        Change.of(an_update(2_000_000, 1_300_000, at=api.clock.now, offer_id="runpod-y", provider="runpod")),
    ]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda change: firing.fire("usr_ada", alert["alert_id"], change), changes * 8))
    assert outcomes.count("fires") == 1
    assert len(api.facts()) == 1


def test_it_is_armed_again_when_its_offer_is_dear_again_or_gone(api: Api) -> None:
    api.alert(cooldown_seconds=0)
    api.market.sell("vastai-x", 1_400_000)
    api.fall(event_id="evt_1", sequence=1)
    other = {"offer_id": "runpod-y", "provider": "runpod"}
    api.market.sell("runpod-y", 1_300_000, provider="runpod")
    api.fall(2_000_000, 1_300_000, event_id="evt_2", **other)
    assert crossings(api) == [("vastai-x", 1)]  # the condition was true already
    api.market.sell("vastai-x", 1_800_000)
    api.fall(2_000_000, 1_350_000, event_id="evt_3", sequence=2, **other)
    assert crossings(api) == [("vastai-x", 1), ("runpod-y", 2)]
    del api.market.quotes["runpod-y"]
    api.fall(1_800_000, 1_200_000, event_id="evt_4", sequence=3)
    assert crossings(api) == [("vastai-x", 1), ("runpod-y", 2), ("vastai-x", 3)]


def test_a_change_that_comes_back_after_others_have_fired_is_told_no_second_time(api: Api) -> None:
    alert = api.alert(cooldown_seconds=0)
    first = api.fall(event_id="evt_1", sequence=1)
    api.fall(2_000_000, 1_300_000, event_id="evt_2", offer_id="runpod-y", provider="runpod")  # vastai-x is gone
    assert len(api.facts()) == 2
    # runpod-y is gone as well, so nothing but the fact itself stands against telling the first one again
    assert composition.alert_firing().fire("usr_ada", alert["alert_id"], Change.of(first)) == "told"
    assert len(api.facts()) == 2


def test_in_the_cooldown_it_is_quiet(api: Api) -> None:
    api.alert(cooldown_seconds=600)
    api.fall(event_id="evt_1", sequence=1)
    api.clock.tick(minutes=5)
    api.fall(event_id="evt_2", sequence=3)
    api.clock.tick(minutes=6)
    api.fall(event_id="evt_3", sequence=5)
    assert crossings(api) == [("vastai-x", 1), ("vastai-x", 2)]


def test_an_expired_alert_does_not_fire_though_it_is_stored(api: Api) -> None:
    api.alert(expires_at=iso(api.clock.now + timedelta(minutes=1)))
    assert len(api.entries()) == 2
    api.clock.tick(minutes=1)
    api.fall()
    assert api.facts() == []


def test_a_batch_tells_an_alert_of_its_best_offer(api: Api) -> None:
    api.alert()
    updates = [
        an_update(2_000_000, price, at=api.clock.now, offer_id=f"vastai-{price}")
        for price in (1_450_000, 1_200_000, 1_300_000)
    ]
    api.updated(*updates)
    assert crossings(api) == [("vastai-1200000", 1)]


def test_an_alert_deleted_meanwhile_costs_the_others_nothing(api: Api) -> None:
    gone, stays = api.alert(), api.alert()
    composition.alert_matcher()
    update = an_update(2_000_000, 1_400_000, at=api.clock.now)
    page = {
        "changes": [update],
        "alerts": [{"tenant": "usr_ada", "alert_id": one["alert_id"], "change": 0} for one in (gone, stays)],
    }
    api("delete_alert", "ada", path={"alert_id": gone["alert_id"]})
    assert import_module("prices.fire_alerts").handler({"page": page}, None) == {"gone": 1, "fires": 1}


def test_one_alert_that_cannot_be_fired_costs_the_others_nothing_and_is_fired_later(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = [api.alert() for _ in range(3)]
    page = {
        "changes": [an_update(2_000_000, 1_400_000, at=api.clock.now)],
        "alerts": [{"tenant": "usr_ada", "alert_id": one["alert_id"], "change": 0} for one in alerts],
    }
    bad, real = alerts[0]["alert_id"], botocore.client.BaseClient._make_api_call

    def failing(client, operation, arguments):
        if operation == "GetItem" and arguments["Key"]["sk"]["S"] == bad:
            raise ConnectionError("nobody there")
        return real(client, operation, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", failing)
        with pytest.raises(AlertsNotFired):
            import_module("prices.fire_alerts").handler({"page": page}, None)
    assert len(api.facts()) == 2
    late = import_module("prices.fire_late_alerts").handler
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    told = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "correlation_id": "of-the-change"}
    aside = message(orjson.dumps(told | {"page": page, "error": {"Error": "AlertsNotFired"}}).decode())
    assert late({"Records": [aside]}, None) == {"batchItemFailures": []}
    facts = {fact["subject"]: fact for fact in api.facts()}
    assert len(facts) == 3
    assert (facts[bad]["traceparent"][3:35], facts[bad]["correlation_id"]) == (trace_id, "of-the-change")


def test_more_than_a_few_are_stored_pages_and_each_fires_once(api: Api) -> None:
    made = {api.alert("bob", headers={"idempotency_key": f"k-{n}"})["alert_id"] for n in range(FEW + 3)}
    api.fall()
    (execution,) = api.executions.values()
    assert execution["fan_out"] == "many"
    assert execution["pages"] == [0]
    assert len(orjson.dumps(execution)) < 1_000
    api.fire(execution)
    assert sorted(fact["data"]["alert_id"] for fact in api.facts()) == sorted(made)


def test_a_matcher_that_dies_before_the_start_leaves_pages_that_nobody_reads(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(FEW + 1):
        api.alert("bob", headers={"idempotency_key": f"k-{n}"})
    update = an_update(2_000_000, 1_400_000, at=api.clock.now)
    real = Alerts.keep_pages

    def killed(self, fan_out, pages):
        real(self, fan_out, pages)
        raise ConnectionError("the process is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Alerts, "keep_pages", killed)
        assert api.updated(update) == ["m-1"]
    assert api.executions == {}
    assert api.updated(update) == []
    assert len(api.facts()) == FEW + 1


def test_a_message_that_cannot_be_read_fails_alone(api: Api) -> None:
    api.alert()
    update = an_update(2_000_000, 1_400_000, at=api.clock.now)
    good = {"detail": {"updates": [update], "event_id": "evt_good"}}
    records = [message("no json") | {"messageId": "bad"}, message(good) | {"messageId": "good"}]
    answer = import_module("prices.match_alerts").handler({"Records": records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(api.facts()) == 1


def test_a_change_reads_three_ranges_and_no_alert_that_it_does_not_cross(api: Api) -> None:
    for wanted in (
        {},
        {"provider": "vastai"},
        {"region": "us-east"},
        {"region": "us", "provider": "vastai"},
        {"spot": False},
    ):
        api.alert(**wanted)
    for wanted in ({"spot": True}, {"provider": "runpod"}, {"max_price": 1.39}, {"max_price": 2}, {"gpu_type": "H100"}):
        api.alert("bob", **wanted)
    api.calls.clear()
    hits = composition.alert_matcher().hits([Change.of(an_update(2_000_000, 1_400_000))])
    assert [operation for operation, _ in api.calls] == ["Query"] * 3
    assert {tenant for tenant, _, _ in hits} == {"usr_ada"}
    assert len(hits) == 5
