"""The walk of a fact to its receivers, and what receivers can do to it: nothing is lost, no id changes, order holds."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks import delivery as rules
from gpubroker.delivery.webhooks.delivery import Delivery, Status
from gpubroker.delivery.webhooks.delivery_store import Deliveries
from gpubroker.delivery.webhooks.endpoint import SLOTS
from gpubroker.delivery.webhooks.fan_out import FanOut
from gpubroker.delivery.webhooks.requests import ReplayRequest, WebhookChange
from gpubroker.delivery.webhooks.webhook import DEFAULT_SCHEDULE
from gpubroker.delivery.webhooks.webhook_store import Webhooks
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.time import iso
from gpubroker.resilience.exchange import Reply
from gpubroker.resilience.outbound import Refused
from tests.faults.driver import START, empty
from tests.faults.webhooks import WebhookWorld, change, changes, enterprise, installed, rental

_number = count(1)
URL = "https://hooks.example/in"
LONG = timedelta(days=8)


@pytest.fixture
def world(account: None) -> Iterator[WebhookWorld]:
    empty()
    with installed(WebhookWorld()) as ready:
        yield ready


@pytest.fixture
def caller() -> Caller:
    return enterprise(f"usr_{next(_number)}")


def offers(received: list[Any]) -> list[str]:
    return [told["offer_id"] for one in received for told in one.body["data"]["changes"]]


def test_a_fact_of_the_market_goes_to_everybody_who_asked_for_it_once(world: WebhookWorld, caller: Caller) -> None:
    other = enterprise("usr_other")
    first = world.hook(caller, URL)
    world.hook(other, "https://other.example/in", events=["price_change"])
    world.hook(other, "https://rentals.example/in", events=["rental_status"])
    world.publish(changes(1, world.now, change("a", 1), change("b", 2)), twice=True)
    world.settle()
    (delivery,) = world.deliveries(caller, first)
    assert delivery.status is Status.DELIVERED
    assert [one.message_id for one in world.receivers[URL].got] == [delivery.delivery_id]
    assert offers(world.receivers["https://other.example/in"].got) == ["a", "b"]
    assert world.receivers["https://rentals.example/in"].got == []


def test_a_fact_of_one_tenant_goes_to_this_tenant_alone(world: WebhookWorld, caller: Caller) -> None:
    world.hook(caller, URL)
    world.hook(enterprise("usr_other"), "https://other.example/in")
    world.publish(rental(1, world.now, caller.tenant))
    world.settle()
    assert [one.body["type"] for one in world.receivers[URL].got] == ["rental_status"]
    assert world.receivers["https://other.example/in"].got == []


def test_filters_choose_within_a_message(world: WebhookWorld, caller: Caller) -> None:
    world.hook(caller, URL, filters={"gpu": ["a100"], "provider": ["vastai", "runpod"]})
    told = [
        change("a", 1, gpu_type="A100"),
        change("b", 2, gpu_type="H100"),
        change("c", 3, gpu_type="A100", provider="runpod"),
        change("d", 4, gpu_type="A100", provider="azure"),
    ]
    world.publish(changes(1, world.now, *told))
    world.publish(changes(2, world.now, change("e", 5)))
    world.settle()
    assert offers(world.receivers[URL].got) == ["a", "c"]


def test_a_hundred_changes_are_several_messages_of_less_than_20_kb_and_always_the_same(
    world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL)
    event = changes(1, world.now, *(change(f"offer-{number:03d}", number) for number in range(100)))
    world.publish(event, twice=True)
    world.settle()
    got = world.receivers[URL].got
    assert len(got) == len({one.message_id for one in got}) == len(world.deliveries(caller, hook)) > 1
    assert sorted(offers(got)) == [f"offer-{number:03d}" for number in range(100)]
    assert all(len(json.dumps(one.body, separators=(",", ":"))) < 20_000 for one in got)
    # Filters that change between the first and the second coming of the event give no other ids.
    composition.webhook_secret_desk().change(caller, hook, WebhookChange(filters={"gpu": ["h100"]}))
    world.publish(event)
    world.settle()
    assert len(world.receivers[URL].got) == len(got)


def test_a_failed_try_is_repeated_by_the_schedule_until_it_is_delivered(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL)
    world.receivers[URL].answers = [500, None, 503]
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    (delivery,) = world.deliveries(caller, hook)
    got = world.receivers[URL].got
    assert delivery.status is Status.DELIVERED
    assert {one.message_id for one in got} == {delivery.delivery_id}
    waits = [round((after.at - before.at).total_seconds()) for before, after in pairwise(got)]
    assert waits == list(DEFAULT_SCHEDULE[:3])
    assert [attempt.outcome.status for attempt in delivery.attempts if attempt.outcome] == [500, None, 503, 200]
    assert set(world.executions.values()) == {"SUCCEEDED"}


def test_an_endpoint_that_fails_for_an_hour_gets_everything_afterwards(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL)
    receiver, begun = world.receivers[URL], world.now
    receiver.answers = [500] * 1000
    for number in range(12):
        world.at(number * 300, lambda number=number: world.publish(changes(number, world.now, change("a", number))))
    world.at(3600, receiver.answers.clear)
    world.settle(within=LONG)
    deliveries = world.deliveries(caller, hook)
    assert [one.status for one in deliveries] == [Status.DELIVERED] * 12
    accepted = [one.message_id for one in receiver.accepted()]
    assert sorted(accepted) == sorted(one.delivery_id for one in deliveries)
    assert all(one.at >= begun + timedelta(hours=1) for one in receiver.accepted())


def test_fresh_deliveries_to_a_failing_endpoint_go_to_the_schedule_untried(world: WebhookWorld, caller: Caller) -> None:
    world.hook(caller, URL)
    receiver = world.receivers[URL]
    receiver.answers = [500] * 1000
    for number in range(5):
        world.publish(changes(number, world.now, change("a", number)))
        world.settle(within=timedelta(seconds=1))
    tried = len(receiver.got)
    world.publish(changes(9, world.now, change("b", 9)))
    world.settle(within=timedelta(seconds=1))
    assert len(receiver.got) == tried
    receiver.answers.clear()
    world.settle(within=LONG)
    assert "b" in offers(receiver.accepted())


def test_order_holds_within_a_subject_and_subjects_do_not_wait_for_each_other(
    world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL, ordered=True)
    receiver = world.receivers[URL]
    receiver.answers = [500, 500]
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle(within=timedelta(seconds=2))
    world.publish(changes(2, world.now, change("a", 2), change("b", 3)))
    world.publish(changes(3, world.now, change("a", 4)))
    world.settle(within=timedelta(seconds=2))
    assert offers(receiver.accepted()) in ([], ["b"])
    world.settle(within=LONG)
    sequences = [told["sequence"] for one in receiver.accepted() for told in one.body["data"]["changes"]]
    assert [number for number in sequences if number != 3] == [1, 2, 4]
    assert 3 in sequences
    assert {one.status for one in world.deliveries(caller, hook)} == {Status.DELIVERED}


def test_facts_that_overtook_each_other_on_the_bus_come_in_their_order(world: WebhookWorld, caller: Caller) -> None:
    world.hook(caller, URL, ordered=True)
    for number in (3, 1, 2):
        world.publish(changes(number, world.now, change("a", number)))
    world.settle(within=LONG)
    got = world.receivers[URL].accepted()
    assert [one.body["data"]["changes"][0]["sequence"] for one in got] == [1, 2, 3]


def test_what_is_never_taken_ends_in_the_dead_letter_queue_and_a_redrive_delivers_it(
    world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL, retry_schedule=[1, 2])
    receiver = world.receivers[URL]
    receiver.answers = [500, 500, 500]
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    (delivery,) = world.deliveries(caller, hook)
    assert delivery.status is Status.DEAD
    assert len(world.dead_letters) == 1
    assert [event["detail-type"] for event in world.events] == ["WebhookCreated", "WebhookDeliveryFailed"]
    world.dead_letters *= 2  # a queue may deliver twice
    world.redrive()
    world.settle()
    assert world.deliveries(caller, hook)[0].status is Status.DELIVERED
    assert [one.message_id for one in receiver.got] == [delivery.delivery_id] * 4


def test_410_stops_the_webhook_and_says_so(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL)
    world.receivers[URL].answers = [410]
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    assert Webhooks().of(caller.tenant, hook).disabled == "gone"
    told = [event for event in world.events if event["detail-type"] == "WebhookDisabled"]
    assert [event["detail"]["reason"] for event in told] == ["gone"]
    world.publish(changes(2, world.now, change("a", 2)))
    world.publish(rental(3, world.now, caller.tenant))
    world.settle()
    assert len(world.receivers[URL].got) == 1
    assert [one.status for one in world.deliveries(caller, hook)] == [Status.HELD]
    # Enabled again, it gets what was held back when its owner asks for it.
    composition.webhook_secret_desk().change(caller, hook, WebhookChange(enabled=True))
    since = ReplayRequest(since=iso(world.now - timedelta(hours=1)), status="undelivered")
    composition.webhook_desk().replay_since(caller, hook, since, None)
    world.settle()
    assert [one.status for one in world.deliveries(caller, hook)] == [Status.DELIVERED]
    assert len({one.message_id for one in world.receivers[URL].got}) == 1


def test_120_hours_of_failure_stop_the_webhook_and_say_so(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL, retry_schedule=[3600])
    receiver, begun = world.receivers[URL], world.now
    receiver.answers = [500] * 10_000
    for number in range(12):  # every twelve hours for five and a half days
        world.at(number * 43200, lambda number=number: world.publish(changes(number, world.now, change("a", number))))
    world.settle(within=timedelta(days=12))
    stopped = Webhooks().of(caller.tenant, hook)
    assert stopped.disabled == "failing"
    assert stopped.disabled_at is not None
    assert stopped.disabled_at - begun >= timedelta(hours=120)
    assert max(one.at for one in receiver.got) <= stopped.disabled_at
    told = [event["detail"]["reason"] for event in world.events if event["detail-type"] == "WebhookDisabled"]
    assert told == ["failing"]


def test_retry_after_is_honoured(world: WebhookWorld, caller: Caller) -> None:
    world.hook(caller, URL)
    receiver = world.receivers[URL]
    receiver.answers, receiver.headers = [429], {"retry-after": "77"}
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    assert (receiver.got[1].at - receiver.got[0].at).total_seconds() == 77


def test_what_happens_while_it_is_paused_is_kept_and_can_be_replayed(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL, enabled=False)
    begun = world.now
    world.publish(changes(1, world.now, change("a", 1)))
    world.publish(rental(2, world.now, caller.tenant))
    world.settle()
    assert [one.status for one in world.deliveries(caller, hook)] == [Status.HELD] * 2
    composition.webhook_secret_desk().change(caller, hook, WebhookChange(enabled=True))
    world.advance(minutes=1)
    composition.webhook_desk().replay_since(caller, hook, ReplayRequest(since=iso(begun)), None)
    world.settle()
    assert sorted(one.body["type"] for one in world.receivers[URL].got) == ["price_change", "rental_status"]


def plan_lost(caller: Caller, at: datetime) -> dict[str, Any]:
    detail = {"user_id": caller.tenant, "old_plan": "enterprise", "new_plan": "pro", "changed_by": "usr_admin"}
    return {
        "source": "gpubroker.identity",
        "detail-type": "PlanChanged",
        "detail": detail | {"occurred_at": iso(at)},
    }


def test_a_plan_that_is_no_longer_enterprise_stops_its_webhooks(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL)
    world.publish(plan_lost(caller, world.now), twice=True)
    world.settle()
    assert Webhooks().of(caller.tenant, hook).disabled == "plan"
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    assert world.receivers[URL].got == []


def test_news_of_a_plan_that_is_told_again_after_a_new_upgrade_stops_nothing(
    world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL)
    news = plan_lost(caller, world.now)
    world.publish(news)
    world.settle()
    world.advance(minutes=10)
    composition.webhook_secret_desk().change(caller, hook, WebhookChange(enabled=True))  # enterprise again
    world.publish(news)
    world.settle()
    assert Webhooks().of(caller.tenant, hook).enabled


def test_a_webhook_changed_in_the_moment_its_plan_is_lost_is_stopped_all_the_same(
    world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL)
    news = plan_lost(caller, world.now)
    world.advance(seconds=30)
    composition.webhook_secret_desk().change(caller, hook, WebhookChange(description="quick"))
    world.publish(news)
    world.settle()
    assert Webhooks().of(caller.tenant, hook).disabled == "plan"


def test_what_is_on_its_way_to_a_deleted_webhook_ends(world: WebhookWorld, caller: Caller) -> None:
    hook = world.hook(caller, URL)
    world.receivers[URL].answers = [500]
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle(within=timedelta(seconds=1))
    composition.webhook_desk().delete(caller, hook)
    world.settle(within=LONG)
    assert [one.status for one in world.deliveries(caller, hook)] == [Status.CANCELLED]
    assert len(world.receivers[URL].got) == 1


def test_a_long_list_of_subscribers_is_worked_off_in_pages_each_served_once(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpubroker.delivery.webhooks.fan_out.PAGE", 3)
    monkeypatch.setattr("gpubroker.delivery.webhooks.fan_out.PAGES", 2)
    urls = [f"https://hooks.example/{number}" for number in range(20)]
    for number, url in enumerate(urls):
        place = [{}, {"gpu": ["H100"]}, {"provider": ["vastai"]}, {"gpu": ["A100"]}][number % 4]
        world.hook(enterprise(f"usr_many_{number}"), url, filters=place)
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle()
    assert [len(world.receivers[url].got) for url in urls] == [1, 1, 1, 0] * 5


def test_one_message_writes_a_bounded_number_of_deliveries_for_those_who_want_order(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery for each subject: a few who want order would else take longer than a function lives."""
    monkeypatch.setattr("gpubroker.delivery.webhooks.fan_out.PAGE", 4)
    monkeypatch.setattr("gpubroker.delivery.webhooks.fan_out.PAGES", 2)
    written: list[int] = []
    add, on_message = Deliveries.add, FanOut.on_message

    def counted(store: Deliveries, delivery: Delivery, body: str) -> bool:
        written[-1] += 1
        return add(store, delivery, body)

    def told(fan_out: FanOut, message: dict[str, Any]) -> None:
        written.append(0)
        on_message(fan_out, message)

    monkeypatch.setattr(Deliveries, "add", counted)
    monkeypatch.setattr(FanOut, "on_message", told)
    callers = [enterprise(f"usr_ordered_{number}") for number in range(7)]
    hooks = [world.hook(caller, URL, ordered=True, events=["price_change"]) for caller in callers]
    world.publish(changes(1, world.now, *(change(f"offer-{number}", number) for number in range(6))))
    world.settle(within=LONG)
    assert max(written) <= 8 + 6 - 1, "the one that was begun is served whole"
    assert sum(written) == 7 * 6, "and nobody is served twice"
    for caller, hook in zip(callers, hooks, strict=True):
        assert [one.status for one in world.deliveries(caller, hook)] == [Status.DELIVERED] * 6


def test_a_fact_reads_no_subscriber_that_it_does_not_concern(world: WebhookWorld) -> None:
    """Forty who ask for other GPUs cost nothing: the calls are those of the facets, not of the subscribers."""
    world.hook(enterprise("usr_one"), URL, filters={"gpu": ["H100"]})

    def cost(number: int) -> int:
        world.settle()
        world.calls.clear()
        with world.arm():
            world.publish(changes(number, world.now, change("a", number)))
            world.settle(within=timedelta(seconds=1))
        return len(world.calls)

    few = cost(1)
    for number in range(40):
        world.hook(enterprise(f"usr_else_{number}"), "https://else.example/", filters={"gpu": [f"X{number}"]})
    assert cost(2) == few
    assert world.receivers["https://else.example/"].got == []


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([None, None], 3),  # down, or slow: no answer in time
        ([Reply(302, {"location": "http://169.254.169.254/"})], 2),  # a redirect to a private address
        ([Refused("leads to an address that is not on the public internet")] * 2, 1),  # a name that turned inside
        ([Reply(200, {}, b"{broken", whole=False)], 1),  # the receiver has said yes
        ([Reply(500, {}, b"", whole=False), 404, 418], 4),
    ],
    ids=["down", "redirect", "rebinding", "broken body", "errors"],
)
def test_whatever_an_endpoint_does_for_a_while_it_has_everything_once_it_is_well(
    answers: list[Any], sent: int, world: WebhookWorld, caller: Caller
) -> None:
    hook = world.hook(caller, URL)
    receiver = world.receivers[URL]
    receiver.answers = list(answers)
    world.publish(changes(1, world.now, change("a", 1)), twice=True)
    world.settle(within=LONG)
    (delivery,) = world.deliveries(caller, hook)
    assert delivery.status is Status.DELIVERED
    assert [one.message_id for one in receiver.got] == [delivery.delivery_id] * sent
    assert world.dead_letters == []


def test_an_endpoint_with_four_tries_under_way_is_left_alone_and_delays_nobody_else(
    world: WebhookWorld, caller: Caller
) -> None:
    slow = world.hook(caller, URL)
    world.hook(caller, "https://quick.example/in")
    store = Deliveries()
    for number in range(SLOTS):  # functions that wait for its answer
        stuck = Delivery(caller.tenant, slow, f"msg_{number:026d}", "evt_1", "price_change", "price_change", world.now)
        store.add(stuck, "{}")
        store.claim(stuck, rules.claim(stuck, world.now), number, world.now)
    world.publish(changes(1, world.now, change("a", 1)))
    world.settle(within=timedelta(seconds=2))
    assert len(world.receivers["https://quick.example/in"].got) == 1
    assert world.receivers[URL].got == []
    world.settle()
    assert len(world.receivers[URL].got) == 1
    assert world.deliveries(caller, slow)[-1].tries == 1, "being put off is no try"


BEHIND = ("FanOutWebhooksFunction", "AttemptDeliveryFunction", "RetryDeliveryFunction", "SweepDeliveriesFunction")


def test_each_function_behind_the_api_calls_what_its_role_allows_and_its_role_allows_no_more(
    world: WebhookWorld, caller: Caller
) -> None:
    """All that can happen to a webhook, and after it the calls of each function are exactly its template's actions."""
    world.hook(caller, URL, ordered=True, retry_schedule=[1])
    receiver = world.receivers[URL]
    receiver.answers = [500, 500]
    world.publish(changes(1, world.now, change("a", 1)))
    world.publish(changes(2, world.now, change("a", 2)))
    world.settle()
    world.redrive()
    world.settle()
    lost = world.hook(caller, "https://gone.example/in", events=["price_change"], filters={"gpu": ["H100", "A100"]})
    for answers in ([500], []):
        world.receivers["https://gone.example/in"].answers = list(answers)
        world.publish(changes(3 + len(answers), world.now, change("b", 3)))
        world.settle(within=timedelta(seconds=0 if not answers else 1))
        world.restart()
        world.advance(minutes=20)
        world.sweep()
    world.receivers["https://gone.example/in"].answers = [410]
    world.publish(changes(9, world.now, change("b", 9)))
    world.settle()
    composition.webhook_secret_desk().change(caller, lost, WebhookChange(enabled=True))
    world.receivers["https://gone.example/in"].answers = [500, 410]
    world.publish(changes(10, world.now, change("b", 10)))
    world.settle()
    composition.webhook_secret_desk().change(caller, lost, WebhookChange(enabled=True))
    world.advance(minutes=1)
    composition.webhook_desk().replay_since(caller, lost, ReplayRequest(since=iso(START)), None)
    world.settle()
    world.publish(plan_lost(caller, world.now))
    world.settle()
    for name in BEHIND:
        made = {action for function, action in world.made if function == name}
        statements = world.template[name]["Properties"]["Policies"][0]["Statement"]
        granted = {
            action
            for statement in statements
            for action in statement["Action"]
            if not action.startswith("secretsmanager:")  # the vault is the tests' own
        }
        assert made <= granted, name
        # Each message to oneself is for a long list, a busy endpoint, or the next of a subject: not in this walk.
        assert granted - made <= {"sqs:SendMessage"}, name
