"""Each function of the API, once and successfully, with no more than its template gives it.

Its environment holds exactly the variables of its template, and each call that it makes to AWS is one that its role's
policies allow, on the resource that they name. What is missing there shows on AWS as a 500 to the first caller.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import utc_now
from gpubroker.usage.event import moment_text
from infra.local.providers.keys import CUSTOMER, local_keys
from infra.openapi import Endpoint, endpoints
from infra.rules.templates import all_templates, functions, load
from tests.contract.billing.day import price_a_day
from tests.contract.billing.invoices_day import invoice_a_day
from tests.contract.callers import PASSWORD, Callers
from tests.contract.house import INTEGRATION_SECRETS, House, Reply, forget
from tests.contract.management.day import settle_trades, tell_management
from tests.contract.market import OFFER_IDS
from tests.contract.simulation import reachable
from tests.contract.test_authorisation import metered, notified

FUNCTIONS = {
    properties["Handler"]: properties
    for path in all_templates()
    for properties in functions(path).values()
    if any(event["Type"] == "HttpApi" for event in properties.get("Events", {}).values())
}
PARAMETERS = {name: told for path in all_templates() for name, told in load(path).get("Parameters", {}).items()}
# What boto3 and the Lambda runtime set themselves.
ALWAYS = re.compile(r"^(AWS_|PATH$|HOME$|LANG|LC_|PYTHON|PYTEST|TZ$|TMPDIR$|COVERAGE|HYPOTHESIS|VIRTUAL_ENV)")
# Actions of a transaction's items, by what botocore calls them (each is authorised by itself).
IN_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}

Call = tuple[str, str]

OWN_KEYS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${IntegrationSecrets}/*"
"""How the templates name the secrets of tenants' own keys."""


def _resource(value: Any) -> str:
    """A resource of a policy as this test names it: the logical id of the table, secret, queue or bus."""
    if isinstance(value, dict):
        if "Fn::GetAtt" in value:
            target = value["Fn::GetAtt"]
            return str(target[0] if isinstance(target, list) else target.partition(".")[0])
        if "Ref" in value:
            return str(value["Ref"]).removesuffix("Arn")
        if "Fn::Sub" in value:
            return re.sub(r"\$\{(\w+?)(?:\.Arn|Arn)\}", r"\1", str(value["Fn::Sub"]))
    return str(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(properties: dict[str, Any]) -> set[Call]:
    """(action, resource) that the function's own policies allow."""
    statements = [statement for policy in properties.get("Policies", []) for statement in policy["Statement"]]
    return {
        (action, _resource(resource))
        for statement in statements
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    }


def calls_of(service: str, operation: str, given: dict[str, Any]) -> list[Call]:
    """The (action, resource) pairs that IAM looks at for one call."""
    if service == "dynamodb":
        if operation == "TransactWriteItems":
            return [
                (f"dynamodb:{IN_TRANSACTION[kind]}", item[kind]["TableName"])
                for item in given["TransactItems"]
                for kind in item
            ]
        if operation == "TransactGetItems":
            return [("dynamodb:GetItem", item["Get"]["TableName"]) for item in given["TransactItems"]]
        if operation in ("BatchGetItem", "BatchWriteItem"):
            return [(f"dynamodb:{operation}", table) for table in given["RequestItems"]]
        index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
        return [(f"dynamodb:{operation}", given["TableName"] + index)]
    if service == "secretsmanager":
        named = given.get("SecretId") or given["Name"]
        if named.startswith(f"{INTEGRATION_SECRETS}/"):
            return [(f"secretsmanager:{operation}", OWN_KEYS)]
        secret = named.rpartition(":")[2].rpartition("-")[0]
        name = "".join(word.capitalize() for word in secret.split("_"))
        return [(f"secretsmanager:{operation}", name)]
    if service == "sqs":
        queue = given["QueueUrl"].rpartition("/")[2].removesuffix("_queue_url")
        return [(f"sqs:{operation}", "".join(word.capitalize() for word in queue.split("_")) + "Queue")]
    if service == "kinesis":
        return [(f"kinesis:{operation}", "".join(word.capitalize() for word in given["StreamName"].split("-")))]
    return [(f"{service}:{operation}", "?")]


def _value(value: Any) -> str:
    """A literal or a parameter's default; empty for the name of something that the house does not have."""
    parameter = PARAMETERS.get(value["Ref"], {}) if isinstance(value, dict) and "Ref" in value else {}
    return value if isinstance(value, str) else str(parameter.get("Default", ""))


@contextmanager
def as_deployed(endpoint: Endpoint) -> Iterator[set[Call]]:
    """The environment of one function's template, fresh factories, and a record of what it asks AWS."""
    properties = FUNCTIONS[f"{endpoint.module.__name__}.handler"]
    variables = properties["Environment"]["Variables"]
    made: set[Call] = set()
    real = BaseClient._make_api_call

    def recorded(self: Any, operation: str, given: dict[str, Any]) -> Any:
        made.update(calls_of(self.meta.service_model.service_name, operation, given))
        return real(self, operation, given)

    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name not in variables and not ALWAYS.match(name):
                patch.delenv(name)
        for name, value in variables.items():
            if name not in os.environ:
                patch.setenv(name, _value(value))
        patch.setattr(BaseClient, "_make_api_call", recorded)
        forget()
        yield made
    forget()


class Day:
    """One request after the other, each served by its function as deployed."""

    def __init__(self, house: House, callers: Callers) -> None:
        self._house = house
        self._callers = callers
        self._by_name = {endpoint.function.__name__: endpoint for endpoint in endpoints()}
        self.served: set[str] = set()
        self.called: set[Call] = set()
        self.wrong: list[str] = []

    def ask(
        self,
        name: str,
        who: str = "anonymous",
        body: Any = None,
        query: str = "",
        headers: dict[str, str] | None = None,
        /,
        **path: str,
    ) -> Reply:
        endpoint = self._by_name[name]
        target = re.sub(r"\{(\w+)\}", lambda match: path[match[1]], endpoint.path) + query
        with as_deployed(endpoint) as made:
            token = self._callers[who].token
            sent = {} if endpoint.method == "GET" else {"idempotency-key": new_id("key")} | (headers or {})
            reply = self._house.call(endpoint.method, target, token=token, body=body, headers=sent)
        self.served.add(name)
        self.called |= made
        if reply.status >= 400:
            self.wrong.append(f"{name}: {reply.status} {reply.text[:300]}")
        for call in sorted(made - allowed(FUNCTIONS[f"{endpoint.module.__name__}.handler"])):
            self.wrong.append(f"{name}: {call[0]} on {call[1]} is not in its policies")
        return reply


def _mailed(kind: str) -> str:
    """The token in the mail that the newest fact of a kind gives rise to: what the relay, the bus and SES would do."""
    from identity import send_mail

    items = boto3.resource("dynamodb", region_name="us-east-1").Table("IdentityTable").scan()["Items"]
    facts = [json.loads(item["event"]) for item in items if item["pk"].startswith("OUTBOX#")]
    newest = max((fact for fact in facts if fact["type"] == kind), key=lambda fact: fact["id"])
    told = {"event_id": newest["id"], "occurred_at": newest["occurred_at"], "traceparent": None, "correlation_id": None}
    detail = newest["data"] | told
    send_mail.handler({"source": "gpubroker.identity", "detail-type": kind, "detail": detail}, None)
    sent = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages[-1]
    return re.findall(r"eyJ[\w.-]+", str(sent.body))[0].rstrip(".")


def _deliver_in_vain(who: str, callers: Callers, webhook_id: str, delivery_id: str) -> None:
    """What its tries would have come to; they are the queue's and the workflow's."""
    from gpubroker.delivery.webhooks.delivery import Status, ended
    from gpubroker.delivery.webhooks.delivery_store import Deliveries

    store = Deliveries()
    before = store.of(callers[who].tenant, webhook_id, delivery_id).delivery
    store.save(before, ended(before, Status.DEAD))


def _a_day_of_accounts(day: Day, callers: Callers) -> None:
    """Money that comes, is held, moves and leaves; an organisation and its end."""
    free, pro = callers["free"].tenant, callers["pro"].tenant
    why = {"reason": "a day of accounts"}
    day.ask("get_account", "other", account_id="me")  # opens it
    gift = day.ask("credit_account", "admin", {"amount": 100} | why, account_id=free).json()
    day.ask("credit_account", "admin", {"amount": 100} | why, account_id=pro)
    day.ask("set_budget", "free", {"budget": {"limit": 10}}, account_id="me")
    day.ask("get_account", "free", account_id=free)
    taken = day.ask("deduct", "service", {"amount": 5}, account_id=free).json()
    day.ask("reverse_transfer", "admin", why, transfer_id=taken["transfer_id"])
    day.ask("get_transfer", "service", transfer_id=gift["transfer_id"])
    day.ask("set_credit_limit", "admin", {"credit_limit": 5} | why, account_id=free)
    for name in ("freeze_account", "unfreeze_account"):
        day.ask(name, "admin", why, account_id=free)
    day.ask("close_account", "admin", why, account_id=callers["other"].tenant)

    hold = day.ask("place_hold", "service", {"account_id": pro, "amount": 2}).json()["hold_id"]
    day.ask("get_hold", "service", hold_id=hold)
    day.ask("get_balance", "pro", account_id="me")
    to = {"amount": 1, "to": [{"account_id": "seller:test", "amount": 1}]}
    day.ask("capture_hold", "service", to, hold_id=hold)
    hold = day.ask("place_hold", "service", {"account_id": pro, "amount": 2}).json()["hold_id"]
    day.ask("void_hold", "service", hold_id=hold)
    legs = [{"debit": pro, "credit": "seller:test", "amount": 1}]
    day.ask("post_transfer", "service", {"kind": "sale", "legs": legs})
    day.ask("list_activity", "pro", None, "?kind=sale", account_id="me")
    day.ask("get_balance", "agent", account_id="me")

    deposit = day.ask("create_deposit", "free", {"amount": 10}, account_id="me").json()["deposit_id"]
    day.ask("list_deposits", "free", account_id="me")
    day.ask("get_deposit", "free", account_id="me", deposit_id=deposit)
    day.ask("cancel_deposit", "free", account_id="me", deposit_id=deposit)
    wanted = {"amount": 10, "destination": "a bank"}
    first, second = (
        day.ask("create_withdrawal", "free", wanted, account_id="me").json()["withdrawal_id"] for _ in range(2)
    )
    day.ask("list_withdrawals", "free", account_id="me")
    day.ask("list_open_withdrawals", "admin")
    day.ask("get_withdrawal", "free", account_id="me", withdrawal_id=first)
    day.ask("cancel_withdrawal", "free", account_id="me", withdrawal_id=first)
    for decision in ("approve", "pay"):
        day.ask("decide_withdrawal", "admin", {"decision": decision} | why, account_id=free, withdrawal_id=second)

    org = day.ask("create_organization", "free", {"name": "Numbers", "budget": {"limit": 10}}).json()["org_id"]
    day.ask("list_organizations", "free")
    day.ask("get_organization", "free", org_id=org)
    day.ask("change_organization", "free", {"budget": {"limit": 20}}, org_id=org)
    member = {"user_id": pro, "role": "member", "budget": {"limit": 5}}
    day.ask("add_member", "free", member, org_id=org)
    day.ask("list_members", "free", org_id=org)
    day.ask("get_account", "pro", account_id=org)
    day.ask("change_member", "free", {"budget": {"limit": 6}}, org_id=org, member_id=pro)
    day.ask("remove_member", "pro", org_id=org, member_id=pro)
    day.ask("close_organization", "free", org_id=org)


@pytest.fixture
def providers() -> Iterator[None]:
    """Providers that answer, for who asks them."""
    with reachable():
        yield


def test_each_function_does_its_work_with_its_own_environment_and_permissions(
    house: House, callers: Callers, providers: None
) -> None:
    day = Day(house, callers)
    for name in (
        "get_home",
        "get_login",
        "get_register",
        "get_docs",
        "get_openapi",
        "get_health",
        "get_metrics",
        "get_problems",
    ):
        day.ask(name)
    day.ask("get_asset", name="style.css")
    day.ask("get_jwks")

    day.ask("list_offers", "anonymous", None, "?gpu=H100")
    day.ask("list_offers", "pro", None, "?sort=score")
    day.ask("get_offer", offer_id=OFFER_IDS[0])
    day.ask("get_providers_health")
    day.ask("rank_offers", "pro", None, "?method=topsis")
    day.ask("query_offers", "free", {"gpu_type": "H100"})
    day.ask("bulk_query_offers", "enterprise", {"queries": [{"gpu": "H100"}, {"region": "us-east"}]})
    day.ask("decide_offers", "pro", {"candidates": OFFER_IDS[:3]})
    day.ask("add_favorite", "free", {"offer_id": OFFER_IDS[0]})
    day.ask("list_favorites", "free")
    day.ask("remove_favorite", "free", offer_id=OFFER_IDS[0])
    key = local_keys(CUSTOMER)["runpod"]
    day.ask("save_integration", "enterprise", {"provider": "runpod", "api_key": key})
    day.ask("list_integrations", "enterprise")
    day.ask("delete_integration", "enterprise", provider="runpod")
    own = {"provider": "vastai", "api_key": local_keys(CUSTOMER)["vastai"]}
    day.ask("save_integration", "pro", own)  # the rentals below run on it
    day.ask("get_price_history", "free", None, "?gpu=A100&days=30")
    day.ask("get_price_history", "free", None, f"?offer_id={OFFER_IDS[0]}&days=2&resolution=hourly&gpu=H100")
    day.ask("stream_providers", "free", None, "?gpu=H100")
    ticket = day.ask("create_stream_ticket", "pro").json()["ticket"]
    day.ask("stream_providers", "anonymous", None, f"?ticket={ticket}&last_sequence=0")
    day.ask("get_stats", "service")
    day.ask("get_health_summary", "service")

    ada = "ada@example.com"
    day.ask("register_user", "anonymous", {"email": ada, "password": PASSWORD})
    day.ask("resend_verification", "anonymous", {"email": ada})
    day.ask("verify_email", "anonymous", {"token": _mailed("EmailVerificationRequested")})
    day.ask("request_password_reset", "anonymous", {"email": ada})
    day.ask(
        "reset_password", "anonymous", {"token": _mailed("PasswordResetRequested"), "password": f"{PASSWORD}, again"}
    )
    tokens = day.ask("log_in", "anonymous", {"email": ada, "password": f"{PASSWORD}, again"}).json()
    day.ask("refresh_tokens", "anonymous", {"refresh_token": tokens["refresh_token"]})
    for who in ("free", "service", "agent", "admin"):
        day.ask("get_me", who)
    key = day.ask("create_api_key", "free", {"name": "mine"}).json()
    day.ask("list_api_keys", "free")
    day.ask("delete_api_key", "free", key_id=key["key_id"])
    account = {"service_id": "metering", "kind": "service", "scopes": ["offers:read"]}
    secret = day.ask("create_service_account", "admin", account).json()["secret"]
    day.ask("issue_service_token", "anonymous", {"service_id": "metering", "secret": secret})
    day.ask("list_service_accounts", "admin")
    day.ask("get_service_permissions", "service", service_id="metering")
    day.ask("rotate_service_secret", "admin", {}, service_id="metering")
    day.ask("delete_service_account", "admin", service_id="metering")
    day.ask("find_user", "admin", None, f"?email={ada}")
    day.ask("get_user", "admin", user_id=tokens["user_id"])
    day.ask("change_plan", "admin", {"plan": "pro"}, user_id=tokens["user_id"])
    day.ask("change_user_status", "admin", {"status": "disabled"}, user_id=tokens["user_id"])
    day.ask("validate_token", "service", {"token": callers["free"].token})

    day.ask("get_switch", "admin")
    day.ask("set_switch", "admin", {"stopped": False})
    wanted = {"offer_id": OFFER_IDS[0], "duration_hours": 1, "max_total_price": 3}
    rental = day.ask("create_rental", "pro", wanted).json()
    assert rental["billed_by"] == "provider"
    day.ask("provision_rental", "agent", wanted)
    day.ask("list_rentals", "pro")
    day.ask("get_rental", "pro", rental_id=rental["rental_id"])
    day.ask("estimate_cost", "service", {"offer_id": OFFER_IDS[0], "duration": 2})
    day.ask("end_rental", "pro", rental_id=rental["rental_id"])

    wanted = {"url": "https://93.184.216.34/hook", "events": ["price_change"]}
    hook = day.ask("create_webhook", "enterprise", wanted).json()["webhook_id"]
    day.ask("list_webhooks", "enterprise")
    day.ask("get_webhook", "enterprise", webhook_id=hook)
    day.ask("update_webhook", "enterprise", {"url": "https://93.184.216.34/", "events": ["*"]}, webhook_id=hook)
    day.ask("rotate_webhook_secret", "enterprise", webhook_id=hook)
    sent = day.ask("send_test_webhook", "enterprise", webhook_id=hook).json()["delivery_id"]
    day.ask("list_webhook_deliveries", "enterprise", webhook_id=hook)
    day.ask("get_webhook_delivery", "enterprise", webhook_id=hook, delivery_id=sent)
    _deliver_in_vain("enterprise", callers, hook, sent)
    day.ask("replay_webhook_delivery", "enterprise", webhook_id=hook, delivery_id=sent)
    day.ask("replay_webhook", "enterprise", {"since": "2026-01-01T00:00:00Z"}, webhook_id=hook)
    day.ask("delete_webhook", "enterprise", webhook_id=hook)
    day.ask("create_alert", "free", {"gpu_type": "H100", "max_price": 0.5})
    alert = day.ask("create_alert", "free", {"gpu_type": "H100", "max_price": 1000}).json()
    assert alert["crossings"] == 1, "the market has what this alert waits for"
    day.ask("list_alerts", "free")
    day.ask("get_alert", "free", alert_id=alert["alert_id"])
    day.ask("change_alert", "free", {"max_price": 2, "paused": True}, alert_id=alert["alert_id"])
    day.ask("change_alert", "free", {"paused": False}, alert_id=alert["alert_id"])
    day.ask("delete_alert", "free", alert_id=alert["alert_id"])

    limit = {"resource_type": "storage", "threshold_type": "absolute", "threshold_value": 500, "units": "GB"}
    told = {"action": "notify", "user_id": "*", "notification_channels": ["email", "api_callback"]}
    address = {"callback_url": "https://93.184.216.34/usage"}
    threshold = day.ask("create_threshold", "admin", limit | told | address).json()["threshold_id"]
    other = day.ask("create_threshold", "admin", limit | told).json()["threshold_id"]
    day.ask("list_thresholds", "admin", None, "?limit=5")
    day.ask("list_thresholds", "admin", None, "?user_id=*")
    day.ask("get_threshold", "admin", threshold_id=threshold)
    moved = {"callback_url": "https://93.184.216.34/"}
    day.ask("change_threshold", "admin", moved | {"threshold_value": 2}, threshold_id=threshold)
    day.ask("change_threshold", "admin", {"callback_url": None}, threshold_id=threshold)
    day.ask("change_threshold", "admin", moved, threshold_id=other)
    day.ask("list_threshold_crossings", "admin", threshold_id=threshold)
    day.ask("delete_threshold", "admin", threshold_id=threshold)
    day.ask("delete_threshold", "admin", threshold_id=other)

    notification = notified(callers["free"].tenant)
    day.ask("list_notifications", "free")
    day.ask("read_notification", "free", notification_id=notification)
    notified(callers["free"].tenant)
    assert day.ask("read_all_notifications", "free").json() == {"marked": 1}
    day.ask("set_preferences", "free", {"price_alert": ["inbox"]})
    day.ask("get_preferences", "free")
    device = day.ask("add_device", "free", {"endpoint": "https://push.example.com/free"}).json()
    day.ask("list_devices", "free")
    day.ask("remove_device", "free", device_id=device["device_id"])
    day.ask("add_device", "free", {"endpoint": "https://push.example.com/free"})
    told = {"user_id": callers["free"].tenant}
    offer = {"offer_id": "vastai-x", "provider": "vastai", "price": 1.4}
    wanted_notice = told | {"alert_config": {"gpu_type": "A100", "max_price": 1.5}, "triggered_offer": offer}
    accepted = day.ask("notify_price_alert", "service", wanted_notice).json()
    assert accepted["channels"] == {"inbox": "queued", "email": "off", "push": "off"}
    day.ask("notify_rental_status", "service", told | {"rental_id": "ren_1", "status_change": "ready"})

    start, end = (moment_text(int(utc_now().timestamp()) * 1000 - back) for back in (60_000, 30_000))
    event = {"event_type": "resource_usage", "version": "1.0", "timestamp": end, "user_id": callers["free"].tenant}
    event |= {"instance_id": "box", "metrics": {"gpu_seconds": 30}, "period": {"start": start, "end": end}}
    day.ask("record_events", "service", [event])
    box = metered(callers["free"].tenant)
    day.ask("get_instance_usage", "free", instance_id=box)
    day.ask("get_user_usage", "free", user_id=callers["free"].tenant)
    day.ask("get_instance_history", "free", None, "?granularity=hour", instance_id=box)
    day.ask("get_instance_history", "free", None, "?granularity=day", instance_id=box)
    day.ask("get_user_history", "free", None, "?granularity=month", user_id=callers["free"].tenant)
    day.ask("get_organization_history", "service", org_id="org_1")
    price_a_day(day, callers["free"].tenant)
    invoice_a_day(day, callers["free"].tenant, callers["pro"].tenant)
    _a_day_of_accounts(day, callers)
    tell_management(day)
    settle_trades(day)
    day.ask("get_economics", "admin", None, "?granularity=month")

    day.ask("change_password", "other", {"current_password": PASSWORD, "new_password": f"{PASSWORD}, again"})
    day.ask("log_out", "enterprise")
    assert not day.wrong, "\n".join(day.wrong)
    assert len(day.called) >= 15, "nobody asked AWS for anything: the recording is broken"
    # These need a rental that runs, which needs the workflows: tests/e2e walks them.
    assert {endpoint.function.__name__ for endpoint in endpoints()} - day.served == {
        "finalize_rental",
        "receive_callback",
        "scale_rental",
    }
