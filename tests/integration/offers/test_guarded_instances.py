"""Calls to a provider's instances: within its limits, behind its circuit, both of all Lambdas together."""

from collections.abc import Callable
from typing import Any

import pytest

from gpubroker.kernel import deadline
from gpubroker.offers import errors, slots
from gpubroker.offers.instances import guarded
from gpubroker.offers.instances.guarded import GuardedInstances
from gpubroker.offers.instances.port import Instance, InstanceOrder, InstanceStatus
from gpubroker.offers.store import PartItem
from gpubroker.resilience.breaker_store import BreakerStore
from gpubroker.resilience.bulkhead import Bulkhead, Busy
from tests.unit.offers.making import an_offer

ORDER = InstanceOrder(label="a", offer=an_offer(), ssh_public_key="ssh-ed25519 AAAA")
TOLD = Instance(instance_id="i-1", label="a", status=InstanceStatus.RUNNING, native_status="running")


class Clock:
    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Account:
    """Does what it is told, or fails; `during` happens while a call is under way."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.made: list[str] = []
        self.during: Callable[[], object] = lambda: None

    def _called(self, name: str, answer: Any) -> Any:
        self.made.append(name)
        self.during()
        if self.error:
            raise self.error
        return answer

    def create(self, order: InstanceOrder) -> Instance:
        return self._called("create", TOLD)

    def find(self, label: str) -> list[Instance]:
        return self._called("find", [TOLD])

    def get(self, instance_id: str) -> Instance | None:
        return self._called("get", TOLD)

    def end(self, instance_id: str) -> None:
        self._called("end", None)

    def list(self) -> list[Instance]:
        return self._called("list", [TOLD])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def process(table: Any, clock: Clock, account: Account) -> Callable[..., GuardedInstances]:
    """Another Lambda's view of the account."""

    def view(slug: str = "runpod") -> GuardedInstances:
        connection = PartItem._get_connection
        breakers = BreakerStore(connection, clock=clock, sleep=clock.sleep)
        return GuardedInstances(slug, account, breakers, Bulkhead(connection, clock=clock, sleep=clock.sleep))

    return view


def fail(times: int, call: Callable[[], object], error: type[Exception]) -> None:
    for _ in range(times):
        with pytest.raises(error):
            call()


def test_every_call_reaches_the_account(process, account):
    one = process()
    assert one.create(ORDER) == TOLD
    assert (one.find("a"), one.get("i-1"), one.list(), one.end("i-1")) == ([TOLD], TOLD, [TOLD], None)
    assert account.made == ["create", "find", "get", "list", "end"]


def test_a_provider_that_does_not_answer_is_left_alone_by_all_and_ends_are_tried_all_the_same(process, account, clock):
    # R3.2, R3.3 (192, 193), and what an instance costs while it is not ended
    account.error = errors.ProviderUnavailable("runpod", "answered 500")
    fail(10, lambda: process().get("i-1"), errors.ProviderUnavailable)
    account.made.clear()
    for call in (lambda: process().create(ORDER), lambda: process().find("a"), lambda: process().list()):
        with pytest.raises(errors.ProviderUnavailable, match="circuit is open") as refusal:
            call()
        assert 0 < refusal.value.retry_after <= 30
    assert account.made == []
    fail(1, lambda: process().end("i-1"), errors.ProviderUnavailable)
    assert account.made == ["end"]
    account.error = None
    clock.now += 30
    assert process().get("i-1") == TOLD, "the trial"
    clock.now += 3
    assert process().create(ORDER) == TOLD


@pytest.mark.parametrize(
    ("error", "call", "opens"),
    [
        (errors.UnknownAnswer, "find", True),
        (errors.UnknownAnswer, "create", False),
        (errors.RateLimited, "find", False),
        (errors.NoCapacity, "create", False),
        (errors.BadCredentials, "find", False),
        (errors.QuotaExceeded, "create", False),
        (errors.InstanceGone, "get", False),
        (errors.ProviderUnavailable, "create", True),
    ],
)
def test_what_counts_as_a_failure_of_the_provider(process, account, error, call, opens):
    account.error = error("runpod", "so it says")
    one = process()
    given = {"find": "a", "get": "i-1", "create": ORDER}[call]
    fail(10, lambda: getattr(one, call)(given), error)
    account.error = None
    if opens:
        fail(1, lambda: one.find("a"), errors.ProviderUnavailable)
    else:
        assert one.find("a") == [TOLD]


def test_no_slot_in_time_is_told_as_rate_limited_and_nothing_was_sent(process, account, monkeypatch):
    # R5.3, R5.5 (207, 209)
    monkeypatch.setattr(guarded, "WAIT_S", 0.0)
    inner = []

    def another() -> None:
        account.during = lambda: None
        with pytest.raises(errors.RateLimited, match="as many calls as may be") as refusal:
            process("lambdalabs").create(ORDER)
        inner.append(refusal.value)

    account.during = another
    process("lambdalabs").create(ORDER)
    assert account.made == ["create"]
    assert inner[0].retry_after > 1, "Lambda Cloud: one launch in 12 s"


def test_an_end_goes_without_a_slot_rather_than_not_at_all(process, account, monkeypatch, caplog):
    monkeypatch.setattr(guarded, "WAIT_S", 0.0)
    one = process("lambdalabs")
    one.get("i-1")
    one.end("i-1")  # within the second that the provider wants between calls
    assert account.made == ["get", "end"]
    assert "goes without a slot" in caplog.text


def test_a_failing_end_is_made_once(process, account):
    account.error = errors.ProviderUnavailable("runpod", "answered 500")
    fail(1, lambda: process().end("i-1"), errors.ProviderUnavailable)
    assert account.made == ["end"]


def test_with_too_little_time_left_nothing_is_sent_and_the_circuit_knows_nothing_of_it(process, account):
    token = deadline.begin(1.0)
    fail(10, lambda: process().create(ORDER), errors.RateLimited)
    deadline.end(token)
    assert account.made == []
    assert process().create(ORDER) == TOLD


def test_a_look_at_a_key_holds_a_slot_and_is_told_to_come_back_when_there_is_none(table):
    slots.bulkhead.cache_clear()
    with slots.provider_slot("vastai", 0.0), slots.provider_slot("vastai", 0.0):
        with pytest.raises(Busy) as refusal, slots.provider_slot("vastai", 0.0):
            pass
        with slots.provider_slot("runpod", 0.0):
            pass
    assert refusal.value.retry_after == 1.0
    with slots.provider_slot("vastai", 0.0):
        pass
    slots.bulkhead.cache_clear()
