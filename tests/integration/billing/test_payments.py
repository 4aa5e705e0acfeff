"""Payments through a processor: taken once whatever is lost, repeated or late (445, 448)."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import httpx
import pytest

from gpubroker.billing.payments import secret
from gpubroker.billing.payments.payment import Payment, PaymentNotRefundable, Seen, State, payment_id_of
from gpubroker.billing.payments.processor import HttpProcessor
from gpubroker.billing.payments.requests import MethodRequest, RefundRequest
from gpubroker.billing.payments.store import PaymentMethodNotFound
from gpubroker.billing.payments.use_cases import MethodDesk, RefundDesk, TooManyMethods
from gpubroker.composition import payments as composition
from gpubroker.composition.invoices import ledger
from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Invalid, NotFound
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.organizations.items import MemberItem
from gpubroker.ledger.organizations.organization import Member
from gpubroker.ledger.organizations.roles import OrgRole
from infra.local.providers.keys import PAYMENTS_KEY, PAYMENTS_WEBHOOK_SECRET
from infra.local.providers.payments import signed
from tests.contract.simulation import served
from tests.integration.billing.invoicing import World

ANNA = Caller(Role.USER, "usr_anna", "usr_anna", address="203.0.113.7")
EVE = Caller(Role.USER, "usr_eve", "usr_eve", address="203.0.113.8")


@pytest.fixture
def world(make_table: Any) -> Iterator[World]:
    make_table("billing")
    make_table("ledger")
    return World()


@pytest.fixture
def desk(world: World) -> MethodDesk:
    accounts = composition.accounts()
    return MethodDesk(methods=world.methods, accounts=accounts, clock=world.clock, processor=world.processor)


def deposit(world: World, micros: int = 25_000_000, method_id: str | None = None) -> dict[str, Any]:
    method_id = method_id or world.add_card().method_id
    return {
        "deposit_id": "dep_1", "account_id": world.account_id, "amount_micros": micros, "payment_method_id": method_id
    }  # fmt: skip


def facts() -> list[tuple[str, dict[str, Any]]]:
    items = boto3.resource("dynamodb").Table("billing").scan()["Items"]
    events = sorted((json.loads(item["event"]) for item in items if "event" in item), key=lambda one: one["id"])
    return [(one["type"], one["data"]) for one in events if one["type"].startswith("Payment")]


def test_a_deposit_is_paid_once_however_often_it_is_asked_for(world: World) -> None:
    wanted = deposit(world)
    for _ in range(3):
        assert world.cashier.take_deposit(wanted).state is State.SUCCEEDED
    [(kind, told)] = facts()
    assert kind == "PaymentSucceeded"
    assert (told["amount_micros"], told["currency"], told["purpose"], told["reference"]) == (
        25_000_000, "USD", "deposit", "dep_1",
    )  # fmt: skip
    assert len(world.processor.made) == 1


def test_a_declined_card_fails_and_says_why(world: World) -> None:
    world.processor.outcome = State.FAILED
    assert world.cashier.take_deposit(deposit(world)).failure == "card_declined"
    [(kind, told)] = facts()
    assert (kind, told["failure"]) == ("PaymentFailed", "card_declined")


@pytest.mark.parametrize(
    ("micros", "method_id", "failure"),
    [
        (25_000_000, "pm_gone", "payment_method_missing"),
        (25_000_000, "DEFAULT", "payment_method_missing"),
        (25_000_001, None, "amount_not_whole_cents"),
        (0, None, "amount_not_whole_cents"),
    ],
)
def test_what_cannot_be_paid_fails_before_the_processor_hears_of_it(
    world: World, micros: int, method_id: str | None, failure: str
) -> None:
    assert world.cashier.take_deposit(deposit(world, micros, method_id)).failure == failure
    assert world.processor.made == {}
    assert [kind for kind, _ in facts()] == ["PaymentFailed"]


def test_where_no_card_is_named_the_default_pays(world: World) -> None:
    wanted = deposit(world) | {"payment_method_id": None}
    assert world.cashier.take_deposit(wanted).state is State.SUCCEEDED
    world.methods.remove(world.account_id, world.add_card().method_id)
    assert world.cashier.take_deposit(wanted | {"deposit_id": "dep_2"}).failure == "payment_method_missing"


def test_anothers_card_pays_nothing(world: World) -> None:
    card = world.add_card()
    wanted = deposit(world, method_id=card.method_id) | {"account_id": "usr_eve"}
    assert world.cashier.take_deposit(wanted).failure == "payment_method_missing"


def test_a_processor_that_is_away_is_asked_again_by_the_sweep(world: World) -> None:
    world.processor.away = True
    assert world.cashier.take_deposit(deposit(world)).state is State.CREATED
    assert world.cashier.sweep().counts == {}, "not due yet"
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"created": 1}
    world.processor.away = False
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {}, "ever later"
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"succeeded": 1}
    assert len(facts()) == 1


def test_a_lost_answer_is_found_and_not_paid_twice(world: World) -> None:
    world.processor.lost = True
    assert world.cashier.take_deposit(deposit(world)).state is State.CREATED
    world.processor.lost = False
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"succeeded": 1}
    assert (len(world.processor.made), len(facts())) == (1, 1)


def test_a_webhook_that_never_comes_is_made_up_for(world: World) -> None:
    world.processor.outcome = State.PROCESSING
    payment = world.cashier.take_deposit(deposit(world))
    assert payment.state is State.PROCESSING
    end = Seen(payment.payment_id, State.SUCCEEDED, payment.amount, "USD", "ch_0")
    world.processor.made[payment.payment_id] = end
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"succeeded": 1}
    assert world.cashier.hear(end) is False, "and when it comes after all, it is no news"
    assert sorted(kind for kind, _ in facts()) == ["PaymentStarted", "PaymentSucceeded"]


def test_a_card_that_is_removed_meanwhile_still_pays_what_is_under_way(world: World, desk: MethodDesk) -> None:
    card = world.add_card()
    world.processor.away = True
    world.cashier.take_deposit(deposit(world, method_id=card.method_id))
    desk.remove(ANNA, card.method_id, None)
    world.processor.away = False
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"succeeded": 1}


def test_news_of_other_money_changes_nothing(world: World) -> None:
    world.processor.outcome = State.PROCESSING
    payment = world.cashier.take_deposit(deposit(world))
    assert world.cashier.hear(Seen(payment.payment_id, State.SUCCEEDED, 1, "USD", "ch_0")) is False
    assert world.payments.of(world.account_id, payment.payment_id).state is State.PROCESSING


# ------------------------------------------------------------------ payment methods


def test_a_card_is_known_by_its_last_digits_and_the_first_is_the_default(world: World, desk: MethodDesk) -> None:
    first, fresh = desk.add(ANNA, MethodRequest(token="tok_visa"))
    again, fresh_again = desk.add(ANNA, MethodRequest(token="tok_visa"))
    assert (fresh, fresh_again, first) == (True, False, again)
    assert (first.brand, first.last4, first.default) == ("visa", "4242", True)
    world.advance(minutes=1)
    second, _ = desk.add(ANNA, MethodRequest(token="tok_amex", default=True))
    shown = desk.list(ANNA, None).payment_methods
    assert [(one.payment_method_id, one.default) for one in shown] == [
        (first.payment_method_id, False),
        (second.payment_method_id, True),
    ]
    desk.remove(ANNA, second.payment_method_id, None)
    assert [one.default for one in desk.list(ANNA, None).payment_methods] == [True]
    desk.remove(ANNA, first.payment_method_id, None)
    assert desk.list(ANNA, None).payment_methods == []


def test_nobody_sees_or_removes_anothers_cards(world: World, desk: MethodDesk) -> None:
    mine, _ = desk.add(ANNA, MethodRequest(token="tok_visa"))
    assert desk.list(EVE, None).payment_methods == []
    for account_id in (None, "usr_anna"):
        with pytest.raises(PaymentMethodNotFound):
            desk.remove(EVE, mine.payment_method_id, account_id)
    with pytest.raises(NotFound):
        desk.list(EVE, "usr_anna")
    with pytest.raises(NotFound):
        desk.add(EVE, MethodRequest(token="tok_visa", account_id="usr_anna"))


def test_unknown_and_too_many_cards_are_refused(world: World, desk: MethodDesk) -> None:
    with pytest.raises(Invalid, match="token"):
        desk.add(ANNA, MethodRequest(token="pm_unknown"))
    for number in range(10):
        desk.add(ANNA, MethodRequest(token=f"tok_{number}"))
    with pytest.raises(TooManyMethods):
        desk.add(ANNA, MethodRequest(token="tok_eleven"))


# ------------------------------------------------------------------ the simulated processor


@pytest.fixture
def simulated() -> Iterator[httpx.Client]:
    with served() as simulation, httpx.Client(base_url=f"{simulation.url}/_payments", trust_env=False) as client:
        yield client


def payment(token: str, micros: int = 12_340_000) -> Payment:
    from tests.integration.billing.invoicing import FIRST

    return Payment(
        payment_id_of("deposit", token), "usr_anna", micros, "deposit", token, "pm_1", token, "card", FIRST, FIRST
    )


def adapter(client: httpx.Client) -> HttpProcessor:
    return HttpProcessor(client, lambda: PAYMENTS_KEY)


@pytest.mark.parametrize(
    ("token", "first", "end"),
    [
        ("tok_visa", State.PROCESSING, State.SUCCEEDED),
        ("tok_mastercard", State.SUCCEEDED, State.SUCCEEDED),
        ("tok_declined", State.FAILED, State.FAILED),
        ("tok_insufficient", State.PROCESSING, State.FAILED),
        ("tok_no_webhook", State.PROCESSING, State.SUCCEEDED),
    ],
)
def test_the_adapter_understands_the_simulated_processor(
    simulated: httpx.Client, token: str, first: State, end: State
) -> None:
    processor, wanted = adapter(simulated), payment(token)
    assert processor.card(token).last4.isdigit()
    assert processor.get(wanted.payment_id) is None
    seen = processor.create_payment(wanted)
    assert (seen.state, seen.amount, seen.currency, seen.payment_id) == (first, 12_340_000, "USD", wanted.payment_id)
    deadline = time.monotonic() + 5
    while (found := processor.get(wanted.payment_id)) and found.state is not end:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert processor.create_payment(wanted) == found, "the same id is the same payment"


def test_the_adapter_tells_what_it_cannot_know_from_what_is_so(simulated: httpx.Client) -> None:
    from gpubroker.billing.payments.ports import ProcessorUnavailable, UnknownToken

    processor = adapter(simulated)
    with pytest.raises(UnknownToken):
        processor.card("tok_nobodys")
    with pytest.raises(UnknownToken):
        processor.create_payment(payment("tok_nobodys"))
    with pytest.raises(ProcessorUnavailable):
        processor.create_payment(payment("tok_lost_answer"))
    assert processor.get(payment("tok_lost_answer").payment_id) is not None
    with pytest.raises(ProcessorUnavailable):
        HttpProcessor(simulated, lambda: "a wrong key").card("tok_visa")


# ------------------------------------------------------------------ its webhook


@pytest.fixture
def webhook(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The handler, asked as the processor would."""
    from billing import receive_payment_webhook
    from tests.contract.house import Context

    shared = secret.Secret(PAYMENTS_KEY, (PAYMENTS_WEBHOOK_SECRET,))
    monkeypatch.setattr(secret, "kept", lambda: type("Kept", (), {"value": staticmethod(lambda: shared)}))
    monkeypatch.setattr(composition, "cashier", lambda: world.cashier)

    def send(body: bytes, *, at: float | None = None, **changed: str) -> tuple[int, dict[str, Any]]:
        headers = signed("msg_1", int(time.time() if at is None else at), body) | changed
        http = {"method": "POST", "path": "/api/v1/billing/payments/webhook", "sourceIp": "127.0.0.1"}
        event = {
            "rawPath": http["path"], "rawQueryString": "", "headers": headers, "body": body.decode(),
            "isBase64Encoded": False, "requestContext": {"http": http, "requestId": "r-1"},
        }  # fmt: skip
        answer = receive_payment_webhook.handler(event, Context())
        return answer["statusCode"], json.loads(answer["body"])

    return send


def news(payment_id: str, status: str = "succeeded", amount: int = 2500) -> bytes:
    told = {"id": "ch_0", "reference": payment_id, "status": status, "amount": amount, "currency": "usd"}
    return json.dumps({"type": f"payment.{status}", "data": told | {"failure_code": None}}).encode()


def test_a_signed_webhook_moves_a_payment_and_its_replay_does_not(world: World, webhook: Any) -> None:
    world.processor.outcome = State.PROCESSING
    made = world.cashier.take_deposit(deposit(world))
    body = news(made.payment_id)
    assert webhook(body) == (200, {"received": True, "ignored": False})
    assert webhook(body) == (200, {"received": True, "ignored": True})
    assert webhook(news(made.payment_id, "processing")) == (200, {"received": True, "ignored": True})
    assert sorted(kind for kind, _ in facts()) == ["PaymentStarted", "PaymentSucceeded"]


def test_a_payment_that_is_not_ours_is_taken_and_ignored(world: World, webhook: Any) -> None:
    assert webhook(news("pay_of_somebody_else")) == (200, {"received": True, "ignored": True})
    assert webhook(b'{"type": "dispute.opened", "data": {}}') == (200, {"received": True, "ignored": True})


def test_nothing_is_read_before_the_signature(world: World, webhook: Any) -> None:
    world.processor.outcome = State.PROCESSING
    made = world.cashier.take_deposit(deposit(world))
    body = news(made.payment_id)
    stale = time.time() - timedelta(minutes=6).total_seconds()
    for refused in (
        webhook(body, **{"webhook-signature": "v1,AAAA"}),
        webhook(body, at=stale),
        webhook(b"{ not even JSON", **{"webhook-signature": ""}),
    ):
        assert refused[0] == 401
    assert world.payments.of(world.account_id, made.payment_id).state is State.PROCESSING
    assert webhook(b"{ not JSON, and signed")[0] == 400


# ------------------------------------------------------------------ given back


BOSS = Caller(Role.ADMIN, "usr_boss", "usr_boss")
WHY = RefundRequest(reason="asked for by phone")


def key(text: str) -> Idempotency:
    return Idempotency.of(text, tenant="usr_boss", route="POST /refund", body=b"{}")


@pytest.fixture
def refunds(world: World) -> RefundDesk:
    return RefundDesk(payments=world.payments, funds=ledger(), clock=world.clock)


def test_a_deposit_is_given_back_once_and_by_whom_is_told(world: World, refunds: RefundDesk) -> None:
    payment_id = world.cashier.take_deposit(deposit(world)).payment_id
    world.deposit(25_000_000)
    world.processor.away = True
    first = refunds.refund(BOSS, payment_id, WHY, key("k1"))
    assert (first.state, first.refunding) == ("succeeded", True)
    assert refunds.refund(BOSS, payment_id, WHY, key("k1")) == first
    assert refunds.refund(BOSS, payment_id, WHY, key("k2")) == first
    world.advance(minutes=1)
    assert world.cashier.sweep().counts == {"succeeded": 1}
    world.processor.away = False
    world.advance(minutes=2)
    assert world.cashier.sweep().counts == {"refunded": 1}
    world.advance(days=1)
    assert world.cashier.sweep().counts == {}
    assert [kind for kind, _ in facts()] == ["PaymentRefunded", "PaymentSucceeded"]
    assert refunds.refund(BOSS, payment_id, WHY, key("k3")).state == "refunded"


def test_what_is_spent_or_never_came_is_not_given_back(world: World, refunds: RefundDesk) -> None:
    payment_id = world.cashier.take_deposit(deposit(world)).payment_id
    world.deposit(24_999_999)
    with pytest.raises(PaymentNotRefundable):
        refunds.refund(BOSS, payment_id, WHY, key("k1"))
    world.processor.outcome = State.FAILED
    failed = world.cashier.take_deposit(deposit(world) | {"deposit_id": "dep_2"}).payment_id
    with pytest.raises(PaymentNotRefundable):
        refunds.refund(BOSS, failed, WHY, key("k1"))
    assert world.payments.of(world.account_id, payment_id).refunding is False


def test_a_card_that_is_taken_back_makes_its_invoice_unpaid_again(world: World) -> None:
    from datetime import UTC, datetime

    world.deposit(0)
    world.add_card()
    world.use(datetime(2026, 10, 10, tzinfo=UTC), gpu_seconds=3600)
    invoice = world.run()
    [paid] = world.processor.made.values()
    assert world.cashier.hear(replace(paid, state=State.REFUNDED)) is True
    after = world.again(invoice)
    assert (after.state.value, after.remaining, after.by_card) == ("open", 1_200_000, 0)
    assert (world.balance("house:usage"), world.balance("house:clearing")) == (0, 0)
    world.books_balance()


# ------------------------------------------------------------------ organisations


@pytest.mark.parametrize(
    ("role", "sees"), [("owner", True), ("admin", True), ("billing", True), ("member", False), ("viewer", False)]
)
def test_an_organisations_cards_are_for_those_who_pay_for_it(
    world: World, desk: MethodDesk, role: str, sees: bool
) -> None:
    """(446, 448)"""
    MemberItem.of(Member("org_1", "usr_anna", OrgRole(role), world.now, "usr_boss")).save()
    wanted = MethodRequest(token="tok_visa", account_id="org_1")
    if not sees:
        with pytest.raises(NotFound):
            desk.add(ANNA, wanted)
        with pytest.raises(NotFound):
            world.desk.page(ANNA, "org_1", 10, None)
        return
    mine, _ = desk.add(ANNA, wanted)
    assert [one.payment_method_id for one in desk.list(ANNA, "org_1").payment_methods] == [mine.payment_method_id]
    assert desk.list(ANNA, None).payment_methods == []
    assert world.desk.page(ANNA, "org_1", 10, None)[0].invoices == []
    with pytest.raises(NotFound):
        desk.list(EVE, "org_1")
