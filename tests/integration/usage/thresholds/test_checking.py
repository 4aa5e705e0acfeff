"""The usage stream held against thresholds. # 426, 427, 473"""

import base64
import random
from typing import Any

import pytest

from gpubroker.storage.transaction import StaleVersion
from gpubroker.usage.checks import FUTURE_MS
from gpubroker.usage.event import Usage
from gpubroker.usage.stream import beats, packed
from gpubroker.usage.thresholds.later import read
from gpubroker.usage.thresholds.resources import Period
from gpubroker.usage.thresholds.states import States
from gpubroker.usage.thresholds.threshold import Span
from gpubroker.usage.thresholds.watching import FRESH_SECONDS
from tests.integration.usage.thresholds.conftest import Api, usage
from tests.unit.usage.thresholds.making import NOW


def test_a_value_that_goes_over_is_told_once_with_all_that_is_to_be_known(api: Api) -> None:
    made = api.threshold()
    api.see(usage(0, storage_gb=499), usage(30, storage_gb=500))
    assert api.facts() == []
    api.clock.tick(minutes=1)
    api.see(usage(60, storage_gb=512.3), usage(90, storage_gb=600))
    (fact,) = api.facts()
    assert (fact["type"], fact["source"], fact["subject"]) == (
        "ThresholdCrossed",
        "gpubroker.usage",
        made["threshold_id"],
    )
    assert fact["data"] == {
        "threshold_id": made["threshold_id"],
        "user_id": "user_123456",
        "instance_id": "instance_abcdef",
        "resource_type": "storage",
        "threshold_type": "absolute",
        "threshold_value": 500.0,
        "units": "GB",
        "limit": None,
        "limit_units": None,
        "measured": 512.3,
        "metric": "storage_gb",
        "metric_value": 512.3,
        "crossed": [500.0],
        "crossings": 1,
        "period": None,
        "action": "notify",
        "channels": ["email", "api_callback"],
        "callback": False,
        "measured_at": "2026-07-15T14:31:00.000Z",
        "crossed_at": "2026-07-15T14:31:00.000Z",
    }
    page = api.one("list_threshold_crossings", made).json
    assert [(one["event_id"], one["measured"]) for one in page["crossings"]] == [(fact["id"], 512.3)]


def test_below_and_over_again_is_told_again_across_batches(api: Api) -> None:
    made = api.threshold()
    for number, value in enumerate((600, 610, 500, 501, 400, 502)):
        api.clock.tick(seconds=30)
        api.see(usage(30 * number, storage_gb=value))
    assert api.measured() == [600, 501, 502]
    first = api.one("list_threshold_crossings", made, query="limit=2").json
    rest = api.one("list_threshold_crossings", made, query=f"limit=2&cursor={first['next_cursor']}").json
    assert [one["measured"] for one in first["crossings"] + rest["crossings"]] == [502, 501, 600]
    assert rest["next_cursor"] is None


def test_records_that_come_again_or_late_tell_nothing_more(api: Api) -> None:
    api.threshold()
    records = [api.record(usage(30 * number, storage_gb=value)) for number, value in enumerate((100, 600, 700, 800))]
    for order in (records, records, records[::-1], records[2:], records[:2]):
        assert api.take(*order) is None
    assert api.measured() == [600]
    api.see(usage(15, storage_gb=100), usage(20, storage_gb=900))  # both are older than the newest
    assert api.measured() == [600]


@pytest.mark.parametrize("seed", range(5))
def test_however_a_way_up_is_cut_shuffled_and_repeated_it_is_told_once(api: Api, seed: int) -> None:
    dice = random.Random(seed)
    api.threshold()
    api.threshold(user_id="*", threshold_value=450)
    records = [api.record(usage(30 * number, storage_gb=400 + 20 * number)) for number in range(12)]
    sent = records + dice.choices(records, k=12)
    dice.shuffle(sent)
    while sent:
        size = dice.randint(1, 6)
        assert api.take(*sent[:size]) is None
        sent = sent[size:]
    assert len(api.facts()) == 2


def test_everybodys_threshold_watches_each_user_by_itself(api: Api) -> None:
    api.threshold(user_id="*")
    events = [usage(0, user=user, instance=f"of-{user}", storage_gb=900) for user in ("user_a", "user_b", "user_c")]
    api.see(*events)
    assert sorted(fact["data"]["user_id"] for fact in api.facts()) == ["user_a", "user_b", "user_c"]


def test_each_instance_of_a_user_is_watched_by_itself_or_only_one(api: Api) -> None:
    api.threshold()
    api.threshold(instance_id="second", threshold_value=10)
    api.see(usage(0, instance="first", storage_gb=600), usage(0, instance="second", storage_gb=600))
    assert sorted((fact["data"]["instance_id"], fact["data"]["threshold_value"]) for fact in api.facts()) == [
        ("first", 500),
        ("second", 10),
        ("second", 500),
    ]


def test_other_users_are_not_watched_and_cost_a_call_a_hundred(api: Api) -> None:
    api.threshold(user_id="somebody_else")
    api.calls.clear()
    api.see(*(usage(0, user=f"user_{number}", instance=f"i-{number}", storage_gb=900) for number in range(250)))
    assert api.calls == {"BatchGetItem": 3}
    assert api.facts() == []


def test_a_batch_costs_by_its_users_and_instances_not_by_the_number_of_thresholds(api: Api) -> None:
    for number in range(30):
        api.threshold(threshold_value=1000 + number)
    api.see(usage(0, storage_gb=1))
    api.calls.clear()
    api.see(usage(30, storage_gb=2), usage(60, storage_gb=3))
    # What is remembered is still fresh: one read and one write of the instance's state.
    assert api.calls == {"BatchGetItem": 1, "PutItem": 1}


def test_a_new_threshold_is_seen_within_seconds_and_tells_what_is_over_it_already(api: Api) -> None:
    api.threshold(threshold_value=1000)
    api.see(usage(0, storage_gb=600))
    api.threshold()
    for number in range(1, int(FRESH_SECONDS) + 2):
        api.see(usage(30 * number, storage_gb=600))
    assert api.measured() == [600]


def test_a_change_of_the_value_arms_anew_and_a_pause_is_kept(api: Api) -> None:
    made = api.threshold()
    api.clock.tick(hours=1)
    api.see(usage(0, storage_gb=600))
    api.one("change_threshold", made, body={"threshold_value": 550})
    for number in range(1, 8):
        api.see(usage(30 * number, storage_gb=600))
    assert api.measured() == [600, 600]
    api.one("change_threshold", made, body={"enabled": False})
    for number in range(8, 16):
        api.see(usage(30 * number, storage_gb=100 if number % 2 else 900))
    told = len(api.facts())
    api.one("change_threshold", made, body={"enabled": True})
    for number in range(16, 26):
        api.see(usage(30 * number, storage_gb=900))
    assert told == 2, "what is remembered of a paused one is held against the item before it fires"
    assert len(api.facts()) == 3


def test_a_deleted_threshold_tells_nothing_though_it_is_remembered(api: Api) -> None:
    made = api.threshold()
    api.see(usage(0, storage_gb=100))
    api.one("delete_threshold", made)
    api.see(usage(30, storage_gb=900))
    assert api.facts() == []


def test_every_step_between_is_told_by_one_fact(api: Api) -> None:
    api.threshold(threshold_value=100, recurring=True, every=50)
    api.see(usage(0, storage_gb=90), usage(30, storage_gb=260))
    (fact,) = api.facts()
    assert (fact["data"]["crossed"], fact["data"]["crossings"]) == ([100, 150, 200, 250], 4)


def test_more_crossings_at_once_than_a_transaction_holds_are_each_told_once(api: Api) -> None:
    for number in range(45):
        api.threshold(threshold_value=number, notification_channels=[])
    record = api.record(usage(0, storage_gb=100))
    assert api.take(record) is None
    assert len(api.facts()) == 45
    assert api.take(record) is None
    assert len(api.facts()) == 45


def test_many_crossings_of_one_batch_are_written_in_parts(api: Api) -> None:
    for number in range(5):
        api.threshold(threshold_value=500 + number)
    api.clock.tick(hours=1)
    api.see(*(usage(30 * number, storage_gb=900 if number % 2 else 100) for number in range(40)))
    assert len(api.facts()) == 5 * 20


def test_a_record_that_cannot_be_read_costs_the_others_nothing(api: Api) -> None:
    api.threshold()
    broken = api.record()
    broken["kinesis"]["data"] = "AAAA"
    future = usage(3600 * 24 * 365, storage_gb=1)
    odd: list[Any] = [
        {},
        usage(0) | {"metrics": {"storage_gb": "much"}},
        usage(0) | {"period": {}},
        usage(0) | {"metrics": {"storage_gb": -1}},
        future,
    ]
    assert api.take(broken, api.record(*odd), api.record(usage(0, storage_gb=600))) is None
    assert api.measured() == [600]


def test_an_instance_whose_store_fails_is_brought_again_and_the_others_are_done(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.threshold(user_id="*")
    records = [api.record(usage(0, user=f"user_{name}", instance=name, storage_gb=900)) for name in "abc"]
    real = States.keep

    def failing(self: States, instance: Any, *rest: Any, **more: Any) -> None:
        if instance[1] == "b":
            raise ConnectionError("the store is away")
        real(self, instance, *rest, **more)

    monkeypatch.setattr(States, "keep", failing)
    assert api.take(*records) == "2"
    assert sorted(fact["data"]["instance_id"] for fact in api.facts()) == ["a", "c"]
    monkeypatch.setattr(States, "keep", real)
    assert api.take(*records[1:]) is None
    assert sorted(fact["data"]["instance_id"] for fact in api.facts()) == ["a", "b", "c"]


def test_the_loser_of_a_race_looks_again_and_tells_nothing_twice(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.threshold()
    api.see(usage(0, storage_gb=100))
    real, raced = States.keep, []

    def overtaken(self: States, *arguments: Any, **more: Any) -> None:
        if not raced:
            raced.append(True)
            real(self, *arguments, **more)  # somebody else writes the very same first
        real(self, *arguments, **more)

    monkeypatch.setattr(States, "keep", overtaken)
    api.see(usage(30, storage_gb=900))
    assert api.measured() == [900]


def test_who_always_loses_has_the_batch_brought_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.threshold()

    def lose(*arguments: Any, **more: Any) -> None:
        raise StaleVersion

    monkeypatch.setattr(States, "keep", lose)
    assert api.take(api.record(usage(0, storage_gb=900))) == "1"


# ---------------------------------------------------------------- sums


EGRESS = {"resource_type": "network_egress", "threshold_value": 1, "notification_channels": ["email"]}


def test_a_sum_over_the_users_instances_is_told_once_in_its_period(api: Api) -> None:
    api.threshold(**EGRESS)
    api.counted.set(network_egress_mb=600)
    api.see(usage(0, network_egress_mb=600))
    api.counted.set(instance_id="second", network_egress_mb=500)
    for number in range(1, 4):
        api.see(usage(30 * number, instance="second", network_egress_mb=100))
    (fact,) = api.facts()
    assert (fact["data"]["instance_id"], fact["data"]["measured"], fact["data"]["metric_value"]) == (None, 1.1, 1100)
    assert fact["data"]["period"] == {
        "period": "month",
        "start": "2026-07-01T00:00:00.000Z",
        "end": "2026-08-01T00:00:00.000Z",
    }
    assert api.counted.asked[0] == ("user_123456", None, Span.of(Period.MONTH, NOW))


def test_sums_are_looked_at_now_and_then_and_a_second_time_for_all_in_between(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.threshold(**EGRESS)
    monkeypatch.setattr(api.checking, "_elapsed", lambda: 0.0)
    for number in range(5):
        api.see(usage(30 * number, network_egress_mb=200))
    assert len(api.counted.asked) == 1
    (body,) = api.waiting()
    api.counted.set(network_egress_mb=1100)
    assert api.checking.again(read(body)) == 1
    monkeypatch.setattr(api.checking, "_elapsed", lambda: 61.0)
    api.see(usage(300, network_egress_mb=200))
    assert len(api.waiting()) == 2
    api.clock.tick(hours=1)
    api.see(usage(3600, network_egress_mb=200))  # another hour, which has a second look of its own
    assert len(api.waiting()) == 3


def test_a_new_period_arms_it_again(api: Api) -> None:
    api.threshold(**EGRESS, period="hour")
    api.counted.set(network_egress_mb=2000)
    api.see(usage(0, network_egress_mb=600), usage(30, network_egress_mb=600))
    api.clock.tick(hours=1)
    api.see(usage(3600, network_egress_mb=600))
    assert [fact["data"]["period"]["start"][11:16] for fact in api.facts()] == ["14:00", "15:00"]


def test_the_steps_of_a_sum_are_told_as_they_are_passed(api: Api) -> None:
    api.threshold(**EGRESS, recurring=True)
    for number, total in enumerate((900, 1500, 1500, 2000, 4500)):
        api.counted.set(network_egress_mb=total)
        api.see(usage(30 * number, network_egress_mb=1))
    assert [fact["data"]["crossed"] for fact in api.facts()] == [[1], [2, 3, 4]]


def test_a_sum_of_one_instance_asks_for_that_instance(api: Api) -> None:
    api.threshold(**EGRESS, instance_id="second")
    api.counted.set(network_egress_mb=9000)
    api.counted.set(instance_id="second", network_egress_mb=900)
    api.see(usage(0, network_egress_mb=1), usage(0, instance="second", network_egress_mb=1))
    assert api.facts() == []
    api.counted.set(instance_id="second", network_egress_mb=1001)
    api.see(usage(30, instance="second", network_egress_mb=1))
    assert [fact["data"]["instance_id"] for fact in api.facts()] == ["second"]


def test_what_the_metering_counts_later_is_told_by_the_second_look(api: Api) -> None:
    api.threshold(**EGRESS)
    api.counted.set(network_egress_mb=900)
    api.see(usage(0, network_egress_mb=200))
    assert api.facts() == []
    (body,) = api.waiting()
    api.counted.set(network_egress_mb=1100)
    for _ in range(2):  # the queue delivers at least once
        assert api.checking.again(read(body)) in (0, 1)
    assert api.measured() == [1.1]


def test_a_sum_that_two_shards_move_at_once_is_told_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.threshold(**EGRESS)
    api.counted.set(network_egress_mb=1100)
    real, raced = States.tell_sum, []

    def overtaken(self: States, *arguments: Any, **more: Any) -> None:
        if not raced:
            raced.append(True)
            real(self, *arguments, **more)
        real(self, *arguments, **more)

    monkeypatch.setattr(States, "tell_sum", overtaken)
    api.see(usage(0, network_egress_mb=200))
    assert api.measured() == [1.1]


def test_the_queue_of_second_looks_away_brings_the_batch_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.threshold(**EGRESS)
    monkeypatch.setenv("SECOND_LOOK_QUEUE_URL", "https://queue.amazonaws.com/123456789012/gone")
    assert api.take(api.record(usage(0, network_egress_mb=200))) == "1"


def test_an_action_to_log_is_kept_and_told_to_nobody_by_its_channels(api: Api) -> None:
    made = api.threshold(action="log", notification_channels=[])
    api.see(usage(0, storage_gb=900))
    (fact,) = api.facts()
    assert (fact["data"]["action"], fact["data"]["channels"]) == ("log", [])
    assert len(api.one("list_threshold_crossings", made).json["crossings"]) == 1


def test_a_reading_a_little_ahead_of_the_clock_counts(api: Api) -> None:
    api.threshold()
    api.see(usage(FUTURE_MS / 1000 - 1, storage_gb=900))
    assert api.measured() == [900]


def test_what_is_packed_by_columns_is_read_alike(api: Api) -> None:
    api.threshold()
    start_ms = int(NOW.timestamp() * 1000) - 60_000
    events = [
        Usage(name, user, None, start_ms + 30_000 * number, 30_000, 0, None, values)
        for name, user in (("a", "user_123456"), ("b", "somebody"))
        for number, values in enumerate(
            ((None,) * 4 + (400_000_000,) + (None,) * 3, (0,) * 4 + (512_300_000,) + (0,) * 3)
        )
    ]
    records = [api.record() for _ in range(2)]
    for record, (_, data) in zip(records, packed(events, start_ms + 60_000), strict=False):
        record["kinesis"]["data"] = base64.b64encode(data).decode()
    assert api.take(*records) is None
    assert [(fact["data"]["instance_id"], fact["data"]["measured"]) for fact in api.facts()] == [("a", 512.3)]


def test_a_heartbeat_is_no_reading(api: Api) -> None:
    api.threshold()
    (_, data), *_ = beats(1)
    record = api.record()
    record["kinesis"]["data"] = base64.b64encode(data).decode()
    assert api.take(record) is None
