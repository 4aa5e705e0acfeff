"""Payments: their states, their methods, and who may speak for the processor (445, 448)."""

import base64
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook

from gpubroker.billing.payments import wire
from gpubroker.billing.payments.method import PaymentMethod, looks_like_a_card_number
from gpubroker.billing.payments.payment import (
    Contradiction,
    Payment,
    Seen,
    State,
    fail,
    looked,
    observe,
    payment_id_of,
)
from gpubroker.billing.payments.requests import MethodRequest
from gpubroker.billing.payments.signatures import BadSignature, sign, verify
from gpubroker.kernel.errors import Malformed

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes or so").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of more than enough").decode()
PAYMENT = Payment(
    payment_id_of("deposit", "dep_1"), "usr_anna", 25_000_000, "deposit", "dep_1", "pm_1", "tok_visa", "card", NOW, NOW
)


def seen(state: State, *, amount: int = 25_000_000, currency: str = "USD", failure: str | None = None) -> Seen:
    return Seen(PAYMENT.payment_id, state, amount, currency, "ch_1", failure)


# ------------------------------------------------------------------ states


def test_a_payment_of_the_same_thing_is_the_same_payment() -> None:
    assert payment_id_of("deposit", "dep_1") == PAYMENT.payment_id
    assert len({payment_id_of("deposit", "dep_1"), payment_id_of("deposit", "dep_1", 2)}) == 2
    assert payment_id_of("invoice", "dep_1") != PAYMENT.payment_id


def test_whatever_order_news_comes_in_and_however_often_the_end_is_the_same() -> None:
    news = [seen(State.PROCESSING), seen(State.SUCCEEDED), seen(State.SUCCEEDED), seen(State.PROCESSING)]
    for order in permutations(news):
        payment = PAYMENT
        for one in order:
            payment = observe(payment, one, NOW)
        assert payment.state is State.SUCCEEDED


def test_old_news_changes_nothing_at_all() -> None:
    done = observe(PAYMENT, seen(State.SUCCEEDED), NOW)
    assert observe(done, seen(State.PROCESSING), NOW + timedelta(1)) is done
    assert observe(done, seen(State.SUCCEEDED), NOW + timedelta(1)) is done


@pytest.mark.parametrize(
    ("state", "news"),
    [
        (State.SUCCEEDED, seen(State.FAILED)),
        (State.FAILED, seen(State.SUCCEEDED)),
        (State.FAILED, seen(State.REFUNDED)),
        (State.CREATED, seen(State.SUCCEEDED, amount=24_000_000)),
        (State.PROCESSING, seen(State.SUCCEEDED, currency="EUR")),
    ],
)
def test_other_money_and_another_end_are_contradictions(state: State, news: Seen) -> None:
    with pytest.raises(Contradiction):
        observe(replace(PAYMENT, state=state), news, NOW)


def test_a_failure_has_its_reason_and_a_success_has_none() -> None:
    assert observe(PAYMENT, seen(State.FAILED, failure="card_declined"), NOW).failure == "card_declined"
    assert observe(PAYMENT, seen(State.FAILED), NOW).failure == "declined"
    assert observe(PAYMENT, seen(State.SUCCEEDED, failure="?"), NOW).failure is None


def test_only_what_the_processor_never_heard_of_is_given_up() -> None:
    assert fail(PAYMENT, "payment_method_missing", NOW).state is State.FAILED
    under_way = replace(PAYMENT, state=State.PROCESSING)
    assert fail(under_way, "payment_method_missing", NOW) is under_way


def test_it_is_asked_about_ever_later_and_not_any_more_at_its_end() -> None:
    waits, payment = [], PAYMENT
    for _ in range(12):
        assert payment.due_at is not None
        waits.append((payment.due_at - payment.changed_at).total_seconds())
        payment = looked(payment, payment.due_at)
    assert waits[:4] == [60, 120, 240, 480]
    assert max(waits) == 6 * 3600
    assert observe(payment, seen(State.SUCCEEDED), NOW).due_at is None


# ------------------------------------------------------------------ cards


@pytest.mark.parametrize(
    "number",
    ["4242424242424242", "4242 4242 4242 4242", "5555-5555-5555-4444", "378282246310005", "tok_4242424242424242"],
)
def test_a_card_number_is_refused_and_not_repeated(number: str) -> None:
    assert looks_like_a_card_number(number)
    with pytest.raises(ValidationError, match="card number") as refused:
        MethodRequest(token=number)
    told = [failure["msg"] for failure in refused.value.errors(include_input=False)]
    assert number not in str(told)


@pytest.mark.parametrize("token", ["tok_visa", "pm_1NvX8j2eZvKYlo2C0bTTRZpJ", "tok_1234567890123456"])
def test_a_token_is_no_card_number(token: str) -> None:
    assert MethodRequest(token=token).token == token


@pytest.mark.parametrize(
    "token", ["", "to", "tok visa", "tök_visa", "tok_visa\n", "1234567890123", "=cmd()", "a" * 129]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValidationError):
        MethodRequest(token=token)


def test_a_card_is_good_to_the_end_of_its_month() -> None:
    method = PaymentMethod("pm_1", "usr_anna", "tok_visa", "visa", "4242", 11, 2026, NOW)
    assert not method.expired(datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    assert method.expired(datetime(2026, 12, 1, tzinfo=UTC))


# ------------------------------------------------------------------ the processor's words


def headers(body: bytes, *, secret: str = SECRET, at: float | None = None, **changed: str) -> dict[str, str]:
    timestamp = int(NOW.timestamp() if at is None else at)
    signed = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, "msg_1", timestamp, body),
    }
    return signed | {name.replace("_", "-"): value for name, value in changed.items()}


BODY = b'{"type": "payment.succeeded"}'


def test_what_we_take_is_what_standard_webhooks_signs() -> None:
    theirs = Webhook(SECRET).sign("msg_1", NOW, BODY.decode())
    verify(headers(BODY, webhook_signature=theirs), BODY, [SECRET], now=NOW.timestamp())


def test_either_secret_is_good_while_it_is_being_changed() -> None:
    verify(headers(BODY, secret=OTHER), BODY, [SECRET, OTHER], now=NOW.timestamp())
    both = f"{headers(BODY)['webhook-signature']} {headers(BODY, secret=OTHER)['webhook-signature']}"
    verify(headers(BODY, webhook_signature=both), BODY, [OTHER], now=NOW.timestamp())


@pytest.mark.parametrize("late", [-300, 300])
def test_a_message_is_good_for_five_minutes_either_way(late: int) -> None:
    at = NOW.timestamp() + late
    verify(headers(BODY, at=at), BODY, [SECRET], now=NOW.timestamp())
    with pytest.raises(BadSignature):
        verify(headers(BODY, at=at + (1 if late > 0 else -1)), BODY, [SECRET], now=NOW.timestamp())


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,not base64!"},
        {"webhook_signature": "v2,AAAA"},
        {"webhook_id": ""},
        {"webhook_id": "msg_2"},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "yesterday"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "１７９３５１２８００"},
    ],
)
def test_anything_else_is_refused_alike(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(headers(BODY, **changed), BODY, [SECRET], now=NOW.timestamp())


def test_no_headers_no_secrets_and_another_body_are_refused() -> None:
    for given_headers, body, secrets in (
        ({}, BODY, [SECRET]),
        (headers(BODY), BODY, []),
        (headers(BODY), b"{}", [SECRET]),
    ):
        with pytest.raises(BadSignature):
            verify(given_headers, body, secrets, now=NOW.timestamp())


@given(st.binary(max_size=300))
def test_a_body_that_is_no_message_of_theirs_is_malformed_or_of_another_kind(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert wire.webhook(body) is None


@pytest.mark.parametrize("amount", [12.5, "12", True, -1, None])
def test_an_amount_is_a_whole_number_of_cents(amount: object) -> None:
    told = {"id": "ch_1", "reference": "pay_1", "status": "succeeded", "amount": amount, "currency": "usd"}
    with pytest.raises(ValueError, match="cents"):
        wire.seen(told)
