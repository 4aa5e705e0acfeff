"""How the house and the simulated card processor get to know each other."""

from __future__ import annotations

import json

import httpx

from infra.local import aws
from infra.local.providers.keys import PAYMENTS_KEY, PAYMENTS_WEBHOOK_SECRET


def introduce(endpoint_url: str, secret_arn: str) -> None:
    """Fill the secret that an operator fills on AWS (docs/aws.md)."""
    secret = json.dumps({"api_key": PAYMENTS_KEY, "webhook_secrets": [PAYMENTS_WEBHOOK_SECRET]})
    vault = aws.client("secretsmanager", endpoint_url)
    if vault.get_secret_value(SecretId=secret_arn)["SecretString"] != secret:
        vault.put_secret_value(SecretId=secret_arn, SecretString=secret)


def lead_webhooks(providers_url: str, base_url: str) -> None:
    """Tell the processor where its webhooks go, as one enters the address in a real one's console."""
    target = {"webhook_url": f"{base_url}/api/v1/billing/payments/webhook"}
    httpx.post(f"{providers_url}/_control/payments", json=target, trust_env=False).raise_for_status()
