"""POST /api/v1/billing/payments/webhook: the processor says what became of a payment."""

import time
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.billing.payments import secret, signatures, wire
from gpubroker.billing.payments.payment import Seen
from gpubroker.billing.payments.views import WebhookView
from gpubroker.composition import payments as composition
from gpubroker.edge.http import serve
from gpubroker.edge.route import Exchange

router = Router()


def signed_news(exchange: Exchange) -> Seen | None:
    """What a message tells. Its signature comes first: nothing is read of a body that the processor did not send."""
    signatures.verify(exchange.headers, exchange.body, secret.kept().value().webhook_secrets, now=time.time())
    return wire.webhook(exchange.body)


@router.post(
    "/api/v1/billing/payments/webhook",
    tags=["billing"],
    summary="News of a payment, signed by the processor; what is not ours or not new is taken and ignored",
)
def receive_payment_webhook(news: Annotated[Seen | None, Depends(signed_news)]) -> WebhookView:
    return WebhookView(ignored=news is None or not composition.cashier().hear(news))


handler = serve(router, limited=False)
