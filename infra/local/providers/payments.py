"""The simulated card processor: its API under /_payments, its signed webhooks, and what its test cards do.

GET  /_payments/v1/cards/{token}            {"brand", "last4", "exp_month", "exp_year"}, or 404
POST /_payments/v1/payments                 {"reference", "amount", "currency", "token"}; the header Idempotency-Key
GET  /_payments/v1/payments?reference=      {"payments": [...]}
POST /_payments/v1/payments/{id}/refund     the whole of it
POST /_control/payments                     {"webhook_url"?, "slow_seconds"?}: where webhooks go, how slow `tok_slow` is
GET  /_control/payments                     every payment, and every webhook that was sent with its answer
POST /_control/payments/{id}/webhook        send the webhook of a payment once more

tok_visa, tok_amex   taken; the webhook tells it        tok_mastercard    taken, and the answer tells it already
tok_declined         declined at once                   tok_insufficient  declined, as the webhook tells
tok_slow             taken, after some seconds          tok_no_webhook    taken, and nobody says so
tok_lost_answer      taken, and the answer is lost      tok_expired       a card of 2020
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.providers.keys import PAYMENTS_KEY, PAYMENTS_WEBHOOK_SECRET
from infra.local.providers.paths import PAYMENTS_PATH
from infra.local.providers.service import answer

WEBHOOK_TRIES = (0.0, 0.5, 2.0, 5.0, 15.0)
"""Seconds before each try of a webhook."""


@dataclass(frozen=True, slots=True)
class TestCard:
    """What a token does: how its payment stands in the first answer and in the end, after how many seconds."""

    brand: str
    last4: str
    first: str = "processing"
    end: str = "succeeded"
    failure: str | None = None
    seconds: float = 0.2
    webhook: bool = True
    answers: bool = True
    exp_year: int = 2034


CARDS = {
    "tok_visa": TestCard("visa", "4242"),
    "tok_amex": TestCard("amex", "8431"),
    "tok_mastercard": TestCard("mastercard", "4444", first="succeeded"),
    "tok_declined": TestCard("visa", "0002", first="failed", end="failed", failure="card_declined"),
    "tok_insufficient": TestCard("visa", "9995", end="failed", failure="insufficient_funds"),
    "tok_slow": TestCard("visa", "3220", seconds=5.0),
    "tok_no_webhook": TestCard("visa", "3063", webhook=False),
    "tok_lost_answer": TestCard("visa", "0341", answers=False),
    "tok_expired": TestCard("visa", "0069", exp_year=2020),
}


@dataclass(slots=True)
class Charge:
    id: str
    reference: str
    amount: int
    currency: str
    status: str
    failure_code: str | None
    token: str
    key: str

    def told(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name not in ("token", "key")}


class Processor:
    """Its payments, kept in `state` (a file) if there is one, so that they outlive a restart."""

    def __init__(self, state: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._state, self._clock = state, clock
        self.charges: dict[str, Charge] = {}
        self.webhooks: list[dict[str, Any]] = []
        self.webhook_url: str | None = None
        self.slow_seconds = CARDS["tok_slow"].seconds
        self._tasks: set[asyncio.Task[None]] = set()
        if state is not None and state.exists():
            self.charges = {one["id"]: Charge(**one) for one in json.loads(state.read_text())}

    def routes(self) -> list[Route]:
        return [
            Route(f"{PAYMENTS_PATH}/v1/cards/{{token}}", self.card),
            Route(f"{PAYMENTS_PATH}/v1/payments", self.create, methods=["POST"]),
            Route(f"{PAYMENTS_PATH}/v1/payments", self.find, methods=["GET"]),
            Route(f"{PAYMENTS_PATH}/v1/payments/{{id}}/refund", self.refund, methods=["POST"]),
            Route("/_control/payments", self.control, methods=["POST"]),
            Route("/_control/payments", self.look, methods=["GET"]),
            Route("/_control/payments/{id}/webhook", self.again, methods=["POST"]),
        ]

    # ------------------------------------------------------------ its API

    async def card(self, request: Request) -> Response:
        card = CARDS.get(request.path_params["token"])
        if not _known(request):
            return _refused(401, "unauthorized")
        if card is None:
            return _refused(404, "unknown_token")
        return answer({"brand": card.brand, "last4": card.last4, "exp_month": 12, "exp_year": card.exp_year})

    async def create(self, request: Request) -> Response:
        if not _known(request):
            return _refused(401, "unauthorized")
        key = request.headers.get("idempotency-key", "")
        wanted = await request.json()
        amount = wanted.get("amount")
        if not key or not isinstance(amount, int) or amount <= 0 or not wanted.get("reference"):
            return _refused(400, "bad_request")
        before = next((one for one in self.charges.values() if one.key == key), None)
        if before is not None:
            return answer(before.told())
        card = CARDS.get(str(wanted.get("token")))
        if card is None:
            return _refused(422, "unknown_token")
        charge = Charge(
            id=f"ch_{uuid4().hex}",
            reference=str(wanted["reference"]),
            amount=amount,
            currency=str(wanted.get("currency", "usd")),
            status=card.first,
            failure_code=card.failure if card.first == "failed" else None,
            token=str(wanted["token"]),
            key=key,
        )
        self.charges[charge.id] = charge
        self._save()
        self._begin(self._ends(charge, card))
        return answer(charge.told(), 201) if card.answers else _refused(504, "timeout")

    async def find(self, request: Request) -> Response:
        if not _known(request):
            return _refused(401, "unauthorized")
        reference = request.query_params.get("reference")
        return answer({"payments": [one.told() for one in self.charges.values() if one.reference == reference]})

    async def refund(self, request: Request) -> Response:
        charge = self.charges.get(request.path_params["id"])
        if not _known(request):
            return _refused(401, "unauthorized")
        if charge is None or charge.status not in ("succeeded", "refunded"):
            return _refused(409, "not_refundable")
        if charge.status == "succeeded":
            charge.status = "refunded"
            self._save()
            self._begin(self._tell(charge))
        return answer(charge.told())

    # ------------------------------------------------------------ its control

    async def control(self, request: Request) -> Response:
        wanted = await request.json()
        self.webhook_url = wanted.get("webhook_url", self.webhook_url)
        self.slow_seconds = float(wanted.get("slow_seconds", self.slow_seconds))
        return answer({"webhook_url": self.webhook_url, "slow_seconds": self.slow_seconds})

    async def look(self, request: Request) -> Response:
        del request
        return answer({"payments": [asdict(one) for one in self.charges.values()], "webhooks": self.webhooks})

    async def again(self, request: Request) -> Response:
        charge = self.charges.get(request.path_params["id"])
        if charge is None:
            return _refused(404, "unknown_payment")
        await self._tell(charge)
        return answer(self.webhooks[-1])

    # ------------------------------------------------------------ what comes later

    async def _ends(self, charge: Charge, card: TestCard) -> None:
        if charge.status != card.end:
            await asyncio.sleep(
                self.slow_seconds
                if charge.token == "tok_slow"  # noqa: S105
                else card.seconds
            )
            charge.status, charge.failure_code = card.end, card.failure
            self._save()
        if card.webhook:
            await self._tell(charge)

    async def _tell(self, charge: Charge) -> None:
        """The webhook, signed anew for each try, until somebody answers 2xx or the tries are used up."""
        if self.webhook_url is None:
            return
        told = {"type": f"payment.{charge.status}", "data": charge.told()}
        body = json.dumps(told).encode()
        message_id = f"msg_{uuid4().hex}"
        async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
            for wait in WEBHOOK_TRIES:
                await asyncio.sleep(wait)
                status = None
                with suppress(httpx.HTTPError):
                    headers = signed(message_id, int(self._clock()), body)
                    status = (await client.post(self.webhook_url, content=body, headers=headers)).status_code
                self.webhooks.append({"id": message_id, "type": told["type"], "payment": charge.id, "status": status})
                if status is not None and 200 <= status < 300:
                    return

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _save(self) -> None:
        if self._state is not None:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._state.with_suffix(".new")
            temporary.write_text(json.dumps([asdict(one) for one in self.charges.values()]))
            temporary.replace(self._state)


def signed(message_id: str, timestamp: int, body: bytes, secret: str = PAYMENTS_WEBHOOK_SECRET) -> dict[str, str]:
    """The headers of a webhook (Standard Webhooks, symmetric)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _known(request: Request) -> bool:
    return request.headers.get("authorization", "") == f"Bearer {PAYMENTS_KEY}"


def _refused(status: int, code: str) -> Response:
    return answer({"error": {"code": code}}, status)
