"""PaymentProcessor over HTTP. Where it is, PAYMENTS_URL says; the simulated one (infra/local/providers/payments.py)
speaks the same.

    GET  /v1/cards/{token}                     200, or 404
    POST /v1/payments       Idempotency-Key    201 when made, 200 when it was made before; 422 for an unknown token
    GET  /v1/payments?reference=<our id>       200 {"payments": [...]}, one at most
    POST /v1/payments/{id}/refund              200
"""

import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import httpx

from gpubroker.billing.payments import secret, wire
from gpubroker.billing.payments.payment import CENT, Card, Payment, Seen
from gpubroker.billing.payments.ports import ProcessorUnavailable, UnknownToken

logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells addresses, and a token stands in one

CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
_MAX_ANSWER = 65_536

T = TypeVar("T")


class HttpProcessor:
    name = "card"

    def __init__(self, client: httpx.Client, api_key: Callable[[], str]) -> None:
        self._client, self._api_key = client, api_key

    def card(self, token: str) -> Card:
        answer = self._asked("GET", f"/v1/cards/{token}", takes=(200, 404))
        if answer.status_code == 404:
            raise UnknownToken
        return _read(answer, wire.card)

    def create_payment(self, payment: Payment) -> Seen:
        if payment.token is None:
            raise UnknownToken
        body = {
            "reference": payment.payment_id,
            "amount": payment.amount // CENT,
            "currency": payment.currency.lower(),
            "token": payment.token,
        }
        answer = self._asked("POST", "/v1/payments", body, key=payment.payment_id, takes=(200, 201, 422))
        if answer.status_code == 422:
            raise UnknownToken
        return _read(answer, wire.seen)

    def get(self, payment_id: str) -> Seen | None:
        answer = self._asked("GET", "/v1/payments", params={"reference": payment_id})
        return _read(answer, lambda told: wire.seen(told["payments"][0]) if told["payments"] else None)

    def refund(self, payment: Payment) -> Seen:
        answer = self._asked("POST", f"/v1/payments/{payment.processor_reference}/refund", {}, key=payment.payment_id)
        return _read(answer, wire.seen)

    def _asked(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str = "",
        params: dict[str, str] | None = None,
        takes: tuple[int, ...] = (200,),
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._api_key()}"} | ({"idempotency-key": key} if key else {})
        try:
            answer = self._client.request(method, path, json=body, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise ProcessorUnavailable(f"No answer: {type(error).__name__}", retry_after=30) from error
        if answer.status_code not in takes or len(answer.content) > _MAX_ANSWER:
            raise ProcessorUnavailable(f"It answered {answer.status_code}.", retry_after=30)
        return answer


def _read(answer: httpx.Response, read: Callable[[Any], T]) -> T:
    try:
        return read(answer.json())
    except (ValueError, KeyError, TypeError) as error:
        raise ProcessorUnavailable("Its answer cannot be read.", retry_after=30) from error


class NoProcessor:
    """Where no address is configured: everything waits, and nothing is lost."""

    name = "none"

    def card(self, token: str) -> Card:
        raise ProcessorUnavailable("No payment processor is configured.", retry_after=3600)

    def create_payment(self, payment: Payment) -> Seen:
        raise ProcessorUnavailable("No payment processor is configured.", retry_after=3600)

    def get(self, payment_id: str) -> Seen | None:
        raise ProcessorUnavailable("No payment processor is configured.", retry_after=3600)

    def refund(self, payment: Payment) -> Seen:
        raise ProcessorUnavailable("No payment processor is configured.", retry_after=3600)


@cache
def configured() -> HttpProcessor | NoProcessor:
    """The processor that PAYMENTS_URL names."""
    url = os.environ.get("PAYMENTS_URL", "")
    if not url:
        return NoProcessor()
    return HttpProcessor(_client(url), lambda: secret.kept().value().api_key)


def _client(url: str) -> httpx.Client:
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx.Client(base_url=url, timeout=timeout, follow_redirects=False, trust_env=False)
