"""The world of webhooks under faults: infra/delivery.yaml and receivers that do as they are told."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import botocore.client

from gpubroker.composition import webhooks as composition
from gpubroker.delivery.webhooks.delivery import Delivery
from gpubroker.delivery.webhooks.delivery_store import Deliveries
from gpubroker.delivery.webhooks.items import DeliveryItem, delivery_pk
from gpubroker.delivery.webhooks.requests import WebhookRequest
from gpubroker.delivery.webhooks.use_cases import SecretDesk
from gpubroker.delivery.webhooks.vault import Vault
from gpubroker.delivery.webhooks.webhook_store import Webhooks
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.time import iso
from gpubroker.resilience.exchange import NotAnswered, Reply
from gpubroker.resilience.outbound import Guard, Refused
from infra.rules import templates
from tests.faults.driver import World, message

QUEUES = {"webhook-queue": "AttemptDeliveryFunction", "webhook-fan-out-queue": "FanOutWebhooksFunction"}


@dataclass(frozen=True)
class Received:
    at: datetime
    message_id: str
    body: dict[str, Any]
    status: int


@dataclass
class Receiver:
    """An endpoint: `answers` one after the other, then 200 for ever. None is no answer at all, Refused an
    address that has turned inside."""

    answers: list[int | Reply | Refused | None] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def accepted(self) -> list[Received]:
        return [one for one in self.got if 200 <= one.status < 300]


@dataclass
class WebhookWorld(World):
    template_path: ClassVar[Path] = templates.ROOT / "infra" / "delivery.yaml"
    machine_names: ClassVar[tuple[str, ...]] = ("FailedToDeliveredStateMachine",)
    context: ClassVar[str] = "delivery"

    receivers: dict[str, Receiver] = field(default_factory=dict)
    dead_letters: list[str] = field(default_factory=list)
    running: str = ""
    made: set[tuple[str, str]] = field(default_factory=set)
    """(function, action) of every call to AWS."""

    def function(self, name: str, event: Any) -> Any:
        self.running = name
        return super().function(name, event)

    def aws(self, client: Any, operation: str, arguments: dict[str, Any], real: Callable[..., Any]) -> Any:
        service = {"stepfunctions": "states"}.get(
            client._service_model.service_name
        ) or client._service_model.service_name
        self.made |= {(self.running, action) for action in _actions(service, operation, arguments)}
        return super().aws(client, operation, arguments, real)

    def sweep(self, *, providers: tuple[str, ...] = ()) -> None:
        self.function("SweepDeliveriesFunction", {})
        self.settle(within=timedelta(days=8))

    def to_queue(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        function = QUEUES[arguments["QueueUrl"].rpartition("/")[2]]
        entries = arguments["Entries"] if operation == "SendMessageBatch" else [arguments]
        for entry in entries:
            self.enqueue(function, entry["MessageBody"], seconds=entry.get("DelaySeconds", 0))
        return {}

    def enqueue(self, function: str, body: str, *, seconds: float = 0) -> None:
        self.later(function, {"Records": [message(body)]}, tries=5, seconds=seconds, again=90)

    def on_event(self, event: dict[str, Any]) -> None:
        for rule, take in (
            ("FactsForWebhooks", lambda: self.enqueue("FanOutWebhooksFunction", json.dumps(event))),
            ("WebhookRequests", lambda: self.enqueue("AttemptDeliveryFunction", json.dumps(event["detail"]))),
            ("DeadDeliveries", lambda: self.dead_letters.append(json.dumps(event["detail"]))),
        ):
            if _matches(self.template[rule]["Properties"]["EventPattern"], event):
                take()

    def redrive(self) -> None:
        """What `aws sqs start-message-move-task` does."""
        letters, self.dead_letters = self.dead_letters, []
        for letter in letters:
            self.enqueue("AttemptDeliveryFunction", letter)

    def publish(self, event: dict[str, Any], *, twice: bool = False) -> None:
        """A fact of another context comes over the bus, and maybe comes again."""
        self.on_event(event)
        if twice:
            self.at(30, lambda: self.on_event(event))

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        receiver = self.receivers[url]
        lost = NotAnswered("no answer in time")

        def effect() -> Reply:
            answer = receiver.answers.pop(0) if receiver.answers else 200
            if isinstance(answer, Refused):
                raise answer  # nothing is sent there
            status = answer.status if isinstance(answer, Reply) else answer
            receiver.got.append(Received(self.now, headers["webhook-id"], json.loads(body), status or 0))
            if status is None:
                raise lost
            return answer if isinstance(answer, Reply) else Reply(status, receiver.headers)

        reply: Reply = self.call("endpoint.post", effect, before=lost, after=lost)
        return reply

    # ------------------------------------------------------------ what callers do

    def hook(self, caller: Caller, url: str, **wanted: Any) -> str:
        """A webhook and its receiver; its id."""
        self.receivers.setdefault(url, Receiver())
        request = WebhookRequest.model_validate({"url": url, "events": ["*"], **wanted})
        return composition.webhook_secret_desk().create(caller, request, None).webhook_id

    def deliveries(self, caller: Caller, webhook_id: str) -> list[Delivery]:
        return Deliveries().newest_of(caller.tenant, webhook_id, 500)[::-1]

    def bodies(self, caller: Caller, webhook_id: str) -> list[dict[str, Any]]:
        return [json.loads(item.body) for item in DeliveryItem.query(delivery_pk(caller.tenant, webhook_id))]


def _actions(service: str, operation: str, arguments: dict[str, Any]) -> set[str]:
    """What IAM looks at for a call: a transaction's items each by itself, a batch of messages like one."""
    if operation == "TransactWriteItems":
        kinds = {
            "Put": "PutItem",
            "Update": "UpdateItem",
            "Delete": "DeleteItem",
            "ConditionCheck": "ConditionCheckItem",
        }
        return {f"dynamodb:{kinds[kind]}" for item in arguments["TransactItems"] for kind in item}
    return {f"{service}:{operation.removesuffix('Batch')}"}


def _matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    kinds = pattern["detail-type"]
    return event["source"] in pattern["source"] and any(
        event["detail-type"].startswith(kind["prefix"]) if isinstance(kind, dict) else event["detail-type"] == kind
        for kind in kinds
    )


def enterprise(name: str) -> Caller:
    return Caller(Role.USER, name, name, Plan.ENTERPRISE, frozenset({"webhooks:read", "webhooks:write"}), name)


def change(offer: str, sequence: int, **more: Any) -> dict[str, Any]:
    """One significant price change, as the prices context tells it."""
    return {
        "provider": "vastai",
        "offer_id": offer,
        "old_price": 2.0,
        "new_price": 1.5,
        "timestamp": "2026-05-24T10:00:00.000Z",
        "old_price_micros": 2_000_000,
        "new_price_micros": 1_500_000,
        "new_price_micros_per_hour": 1_500_000,
        "change_percent": -25.0,
        "significant": True,
        "anomaly": False,
        "z_score": None,
        "gpu_type": "H100",
        "gpu_count": 1,
        "region": "us-east",
        "spot": False,
        "event_id": f"evt_x.{sequence}",
        "sequence": sequence,
        **more,
    }


def changes(number: int, now: datetime, *told: dict[str, Any]) -> dict[str, Any]:
    return _event("gpubroker.prices", "PriceChangesDetected", number, now, {"changes": list(told)})


def rental(number: int, now: datetime, tenant: str, kind: str = "RentalReady") -> dict[str, Any]:
    data = {"rental_id": f"ren_{tenant}", "user_id": tenant, "event_type": kind, "data": {}, "timestamp": iso(now)}
    return _event("gpubroker.rentals", kind, number, now, data)


def _event(source: str, kind: str, number: int, now: datetime, detail: dict[str, Any]) -> dict[str, Any]:
    common = {"event_id": f"evt_{number:026d}", "occurred_at": iso(now), "traceparent": None, "correlation_id": None}
    return {"source": source, "detail-type": kind, "detail": detail | common}


@contextmanager
def installed(world: WebhookWorld) -> Iterator[WebhookWorld]:
    """The world in the place of AWS, of the endpoints and of the clock."""
    real = botocore.client.BaseClient._make_api_call

    def aws(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        return world.aws(client, operation, arguments, real)

    vault = Vault(lambda: "a master key of the tests that is long enough", randomness=lambda size: b"n" * size)
    desk = SecretDesk(
        webhooks=Webhooks(),
        vault=lambda: vault,
        guard=Guard(resolve=lambda host, port: ["93.184.216.34"]),
        clock=lambda: world.now,
        randomness=lambda size: b"s" * size,
    )
    factories = ("webhook_desk", "webhook_attempts", "webhook_fan_out", "webhook_sweep")
    for name in factories:
        getattr(composition, name).cache_clear()
    with (
        patch.object(botocore.client.BaseClient, "_make_api_call", aws),
        patch.object(composition, "outbound", lambda: world),
        patch.object(composition, "webhook_secret_desk", lambda: desk),
        patch("gpubroker.delivery.webhooks.vault.vault", lambda: vault),
        patch("gpubroker.kernel.time.utc_now", lambda: world.now),
        patch("random.uniform", lambda low, high: (low + high) / 2),
        patch("time.sleep", lambda _: None),
    ):
        yield world
    for name in factories:
        getattr(composition, name).cache_clear()
