"""Use cases of webhooks with everything they need; they need no other context."""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.delivery.webhooks.attempts import Attempts
    from gpubroker.delivery.webhooks.fan_out import FanOut as WebhookFanOut
    from gpubroker.delivery.webhooks.sweep import Sweep as WebhookSweep
    from gpubroker.delivery.webhooks.use_cases import Desk as WebhookDesk
    from gpubroker.delivery.webhooks.use_cases import SecretDesk
    from gpubroker.resilience.outbound import Guard


@cache
def outbound() -> "Guard":
    """The guard of every address that a user gives; only `Environment=local` may call this machine."""
    from gpubroker.resilience.outbound import Guard

    return Guard(development=os.environ.get("ENVIRONMENT") == "local")


@cache
def webhook_desk() -> "WebhookDesk":
    """What touches DynamoDB only, so that it may stand inside the VPC."""
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.use_cases import Desk
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return Desk(webhooks=Webhooks(), deliveries=Deliveries(), clock=utc_now)


@cache
def webhook_secret_desk() -> "SecretDesk":
    """What makes secrets and looks up names: outside the VPC."""
    from gpubroker.delivery.webhooks.use_cases import SecretDesk
    from gpubroker.delivery.webhooks.vault import vault
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return SecretDesk(webhooks=Webhooks(), vault=vault, guard=outbound(), clock=utc_now, randomness=os.urandom)


@cache
def webhook_attempts() -> "Attempts":
    """Tries of deliveries: outside the VPC, since they speak to the internet."""
    import random

    from gpubroker.delivery.webhooks.attempts import Attempts
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.steps import Queues, Workflows
    from gpubroker.delivery.webhooks.vault import vault
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return Attempts(
        webhooks=Webhooks(),
        deliveries=Deliveries(),
        vault=vault(),
        post=outbound().post,
        queue=Queues(),
        retries=Workflows(),
        clock=utc_now,
        uniform=random.uniform,
    )


@cache
def webhook_fan_out() -> "WebhookFanOut":
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.fan_out import FanOut
    from gpubroker.delivery.webhooks.steps import Queues
    from gpubroker.delivery.webhooks.webhook_store import Webhooks
    from gpubroker.kernel.time import utc_now

    return FanOut(webhooks=Webhooks(), deliveries=Deliveries(), queue=Queues(), clock=utc_now)


@cache
def webhook_sweep() -> "WebhookSweep":
    from gpubroker.delivery.webhooks.delivery_store import Deliveries
    from gpubroker.delivery.webhooks.steps import Queues, Workflows
    from gpubroker.delivery.webhooks.sweep import Sweep
    from gpubroker.kernel.time import utc_now

    return Sweep(deliveries=Deliveries(), queue=Queues(), retries=Workflows(), clock=utc_now)
