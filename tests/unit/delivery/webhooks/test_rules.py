"""The rules of webhooks and their deliveries: schedules, endpoints that fail, what is cut and how it is named."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks import messages, webhook
from gpubroker.delivery.webhooks.delivery import Delivery, Outcome, Status
from gpubroker.delivery.webhooks.endpoint import FAILURES, SLOTS, Endpoint, milliseconds
from gpubroker.delivery.webhooks.vault import SecretsUnavailable, Vault
from gpubroker.delivery.webhooks.webhook import DEFAULT_SCHEDULE, Facets, Filters, Secret, Webhook
from tests.faults.webhooks import change, changes, rental

NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DELIVERY = Delivery("usr_1", "whk_1", "msg_1", "evt_1", "price_change", "price_change", NOW)
HOOK = Webhook("whk_1", "usr_1", "https://a.example/", ("price_change",), NOW, (Secret("one"),))


def middle(low: float, high: float) -> float:
    return (low + high) / 2


# ------------------------------------------------------------ the schedule


def tried(delivery: Delivery, status: int | None, schedule: tuple[int, ...], now: datetime, **more: Any) -> Delivery:
    begun = rules.claim(delivery, now)
    return rules.concluded(begun, Outcome(1, status=status, **more), schedule, now, uniform=middle)


def test_the_default_schedule_is_the_one_that_is_promised() -> None:
    assert DEFAULT_SCHEDULE == (5, 30, 120, 600, 3600, 14400, 43200, 86400)


def test_each_failed_try_waits_as_the_schedule_says_and_the_last_one_ends_it() -> None:
    delivery, now, waits = DELIVERY, NOW, []
    while (delivery := tried(delivery, 500, DEFAULT_SCHEDULE, now)).status is Status.RETRYING:
        assert delivery.next_attempt_at is not None
        waits.append((delivery.next_attempt_at - now).total_seconds())
        now = delivery.next_attempt_at
    assert waits == list(DEFAULT_SCHEDULE)
    assert delivery.status is Status.DEAD
    assert len(delivery.attempts) == len(DEFAULT_SCHEDULE) + 1
    assert delivery.due_at is None


@given(st.floats(0.8, 1.2))
def test_waits_are_drawn_around_the_schedule(factor: float) -> None:
    begun = rules.claim(DELIVERY, NOW)
    after = rules.concluded(begun, Outcome(1, status=500), (100,), NOW, uniform=lambda low, high: factor)
    assert after.next_attempt_at is not None
    assert 80 <= (after.next_attempt_at - NOW).total_seconds() <= 120


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("3", 5),
        ("60", 60),
        ("999999", 86400),
        ("nonsense", 5),
        ("-1", 5),
        ("nan", 5),
        ("Sun, 24 May 2026 10:02:00 GMT", 120),
        ("Sun, 24 May 2026 10:02:00 +99999999999999999999", 5),
        ("Sun, 99999999999999999999 May 2026 10:02:00 GMT", 5),
    ],
)
def test_a_retry_after_makes_a_wait_longer_never_shorter_and_at_most_a_day(asked: str, waits: int) -> None:
    after = tried(DELIVERY, 503, (5,), NOW, retry_after=asked)
    assert after.next_attempt_at is not None
    assert (after.next_attempt_at - NOW).total_seconds() == waits


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered_whatever_becomes_of_its_body(status: int) -> None:
    after = tried(DELIVERY, status, (5,), NOW, whole=False)
    assert (after.status, after.delivered_at, after.due_at) == (Status.DELIVERED, NOW, None)


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503, 599])
def test_nothing_else_is(status: int | None) -> None:
    assert tried(DELIVERY, status, (5,), NOW).status is Status.RETRYING


def test_a_try_that_was_cut_off_counts() -> None:
    twice = rules.claim(rules.claim(DELIVERY, NOW), NOW + HOUR)
    assert twice.tries == 2
    assert [attempt.outcome for attempt in twice.attempts] == [None, None]


def test_of_many_attempts_the_last_twenty_are_kept() -> None:
    delivery = DELIVERY
    for _ in range(30):
        delivery = rules.claim(delivery, NOW)
    assert len(delivery.attempts) == rules.ATTEMPTS_SHOWN
    assert delivery.tries == 30


def test_a_replay_keeps_the_id_and_is_done_once_for_each_request() -> None:
    dead = rules.ended(DELIVERY, Status.DEAD)
    again = rules.replayed(dead, "evt_9", NOW)
    assert (again.delivery_id, again.status, again.run, again.tries) == ("msg_1", Status.PENDING, 1, 0)
    assert again.execution != dead.execution
    assert rules.replayed(again, "evt_9", NOW) is again


def test_an_answers_headers_are_kept_as_far_as_they_hold_no_secret() -> None:
    told = {"content-type": "text/plain", "set-cookie": "session=1", "x-request-id": "r", "www-authenticate": "x"}
    assert rules.shown_headers(told) == {"content-type": "text/plain", "x-request-id": "r"}


# ------------------------------------------------------------ the endpoint


def test_at_most_four_tries_are_under_way_and_a_dead_function_frees_its_slot_by_time() -> None:
    taken = milliseconds(NOW + rules.CLAIM)
    assert Endpoint().free(NOW) == list(range(SLOTS))
    assert Endpoint(slots=(taken,) * SLOTS).free(NOW) == []
    assert Endpoint(slots=(taken,) * SLOTS).free(NOW + 2 * rules.CLAIM) == list(range(SLOTS))


def test_five_failures_in_a_row_let_an_endpoint_rest_for_a_minute() -> None:
    assert Endpoint(failures=FAILURES - 2).rests(NOW) is None
    rests = Endpoint(failures=FAILURES - 1).rests(NOW)
    assert rests == NOW + timedelta(seconds=60)
    assert Endpoint(resting_until=rests).resting(NOW)
    assert not Endpoint(resting_until=rests).resting(NOW + timedelta(seconds=61))


def failing(*hours: float) -> Endpoint:
    """An endpoint after failures at these hours."""
    endpoint = Endpoint()
    for hour in hours:
        now = NOW + hour * HOUR
        endpoint = replace(
            endpoint,
            failures=endpoint.failures + 1,
            failing_since=endpoint.failing_since or now,
            last_failure=now,
            day_first=endpoint.first_of_the_day(now),
        )
    return endpoint


@pytest.mark.parametrize(
    ("before", "now", "stops"),
    [
        ((0, 60, 108), 121, True),
        ((0, 60, 108), 119, False),  # not yet 120 hours
        ((0,), 130, False),  # two mishaps, five days apart
        ((0, 119), 121, False),  # failures of the last day are only two hours apart
        (tuple(range(0, 120, 6)), 120, True),
        ((), 500, False),
    ],
)
def test_an_endpoint_is_stopped_after_120_hours_with_failures_half_a_day_apart(
    before: tuple[float, ...], now: float, stops: bool
) -> None:
    assert failing(*before).stops(NOW + now * HOUR) is stops


# ------------------------------------------------------------ what is subscribed to


@pytest.mark.parametrize(
    ("patterns", "kinds"),
    [
        (("*",), webhook.EVENT_TYPES),
        (("price_*",), ("price_alert", "price_anomaly", "price_change")),
        (("rental_status", "provider_*"), ("provider_health", "rental_status")),
        (("nothing",), ()),
    ],
)
def test_patterns_name_event_types(patterns: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    assert webhook.types_of(patterns) == tuple(sorted(kinds))


_values = st.lists(st.sampled_from(["H100", "A100", "vastai", "runpod", "us-east", "eu-west"]), max_size=3).map(tuple)
_value = st.sampled_from(["h100", "A100", "L4", "vastai", "runpod", "us-east", "eu-west", ""])


@given(st.builds(Filters, gpu=_values, provider=_values, region=_values), st.builds(Facets, _value, _value, _value))
def test_whoever_wants_something_stands_where_it_is_looked_for(filters: Filters, facets: Facets) -> None:
    hook = replace(HOOK, events=("*",), filters=filters)
    if filters.match(facets):
        assert {place for kind, place in hook.places() if kind == "price_change"} & webhook.places_of(facets)


def test_health_has_no_gpu_and_is_heard_of_by_those_who_filter_by_one() -> None:
    hook = replace(HOOK, events=("*",), filters=Filters(gpu=("H100",)))
    facets = Facets(provider="vastai")
    assert hook.filters.match(facets)
    assert {place for kind, place in hook.places() if kind == "provider_health"} & webhook.places_of(facets)


def test_what_the_house_has_stopped_stands_nowhere_and_stands_again_when_it_is_enabled() -> None:
    stopped = webhook.disabled(HOOK, "gone", NOW)
    assert (stopped.places(), stopped.enabled) == (set(), False)
    again = webhook.changed(stopped, {"enabled": True}, NOW)
    assert (again.disabled, again.places()) == (None, HOOK.places())
    assert webhook.changed(HOOK, {"enabled": True}, NOW) is HOOK


def test_an_old_secret_signs_for_24_hours_more_and_three_are_the_most() -> None:
    once = webhook.rotated(HOOK, "two", NOW)
    assert [secret.sealed for secret in once.in_force(NOW)] == ["two", "one"]
    assert [secret.sealed for secret in once.in_force(NOW + 24 * HOUR)] == ["two"]
    twice = webhook.rotated(once, "three", NOW + HOUR)
    with pytest.raises(webhook.RotatedTooOften):
        webhook.rotated(twice, "four", NOW + 2 * HOUR)
    assert [one.sealed for one in webhook.rotated(twice, "four", NOW + 24 * HOUR).secrets] == ["four", "three", "two"]


# ------------------------------------------------------------ messages


def fact_of(event: dict[str, Any]) -> messages.Fact:
    fact = messages.read(event)
    assert fact is not None
    return fact


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=60, unique=True), st.booleans())
def test_parts_hold_every_item_once_and_are_the_same_each_time(told: list[tuple[str, int]], ordered: bool) -> None:
    event = changes(1, NOW, *(change(offer, number) for offer, number in told))
    fact = fact_of(event)
    parts = messages.parts_of(fact, ordered=ordered)
    assert parts == messages.parts_of(fact_of(json.loads(json.dumps(event))), ordered=ordered)
    held = [(item.data["offer_id"], item.data["sequence"]) for part in parts for item in part.items]
    assert sorted(held) == sorted(told)
    assert len({part.label for part in parts}) == len(parts)
    for part in parts:
        assert len(messages.body_of(fact, part, list(part.items)).encode()) < messages.LARGEST_BODY
        if ordered:
            assert {item.subject for item in part.items} == {part.subject}
            orders = [item.order for item in part.items]
            assert orders == sorted(orders)


def test_a_fact_that_is_too_large_in_one_piece_says_what_was_left_out() -> None:
    event = rental(1, NOW, "usr_1", "RentalEnded")
    event["detail"]["data"] = {"members": ["m" * 100] * 1000, "final_cost": 1.5}
    fact = fact_of(event)
    (part,) = messages.parts_of(fact, ordered=False)
    body = messages.body_of(fact, part, list(part.items))
    assert len(body) < messages.LARGEST_BODY
    told = json.loads(body)
    assert told["truncated"] == ["members"]
    assert told["data"]["data"] == {"final_cost": 1.5}
    assert told["data"]["rental_id"] == "ren_usr_1"


def test_an_id_is_made_of_what_the_message_is_and_sorts_by_its_moment() -> None:
    first = messages.message_id("evt_1", NOW, ".0", "whk_1")
    assert first == messages.message_id("evt_1", NOW, ".0", "whk_1")
    others = {
        messages.message_id("evt_2", NOW, ".0", "whk_1"),
        messages.message_id("evt_1", NOW, ".1", "whk_1"),
        messages.message_id("evt_1", NOW, ".0", "whk_2"),
    }
    assert len(others | {first}) == 4
    assert first < messages.message_id("evt_1", NOW + timedelta(milliseconds=1), ".0", "whk_1")
    assert messages.first_id_since(NOW) < first < messages.first_id_since(NOW + timedelta(milliseconds=1))


def test_an_alert_is_told_to_its_tenant_if_it_asked_for_webhooks() -> None:
    detail = {
        "alert_id": "alt_1",
        "user_id": "usr_1",
        "tenant": "usr_1",
        "channels": ["email", "webhook"],
        "offer": {"offer_id": "o", "provider": "vastai", "gpu_type": "H100", "region": None},
        "event_id": "evt_1",
        "occurred_at": "2026-05-24T10:00:00.000Z",
    }
    event = {"source": "gpubroker.prices", "detail-type": "PriceAlertTriggered", "detail": detail}
    fact = fact_of(event)
    assert (fact.type, fact.tenant, fact.items[0].subject) == ("price_alert", "usr_1", "alert:alt_1")
    assert "tenant" not in fact.items[0].data
    detail["channels"] = ["email"]
    assert messages.read(event) is None


@pytest.mark.parametrize("kind", ["UserRegistered", "WebhookCreated", "PricesUpdated"])
def test_other_facts_are_for_nobody(kind: str) -> None:
    for source in ("gpubroker.prices", "gpubroker.identity", "somebody.else"):
        assert messages.read({"source": source, "detail-type": kind, "detail": {}}) is None


# ------------------------------------------------------------ the vault


def test_what_is_sealed_opens_for_its_webhook_alone() -> None:
    vault = Vault(lambda: "m" * 48)
    sealed = vault.seal("whsec_abc", tenant="usr_1", webhook_id="whk_1")
    assert "abc" not in sealed
    assert vault.open(sealed, tenant="usr_1", webhook_id="whk_1") == "whsec_abc"
    assert vault.seal("whsec_abc", tenant="usr_1", webhook_id="whk_1") != sealed
    for tenant, webhook_id in (("usr_2", "whk_1"), ("usr_1", "whk_2")):
        with pytest.raises(ValueError, match="did not seal"):
            vault.open(sealed, tenant=tenant, webhook_id=webhook_id)
    with pytest.raises(ValueError, match="did not seal"):
        Vault(lambda: "n" * 48).open(sealed, tenant="usr_1", webhook_id="whk_1")


def test_while_the_master_key_cannot_be_read_the_last_one_serves_for_an_hour() -> None:  # R9.3 (228)
    now, away = [0.0], [False]

    def read() -> str:
        if away[0]:
            raise OSError("away")
        return "m" * 48

    vault = Vault(read, clock=lambda: now[0])
    sealed = vault.seal("s", tenant="t", webhook_id="w")
    away[0] = True
    now[0] = 3599
    assert vault.open(sealed, tenant="t", webhook_id="w") == "s"
    now[0] = 3700
    with pytest.raises(SecretsUnavailable):
        vault.open(sealed, tenant="t", webhook_id="w")
    away[0] = False
    assert vault.open(sealed, tenant="t", webhook_id="w") == "s"


def test_a_master_key_that_is_too_short_is_none() -> None:
    with pytest.raises(SecretsUnavailable):
        Vault(lambda: "short").seal("s", tenant="t", webhook_id="w")
